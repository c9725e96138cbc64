"""Joins the log and the engine to the world: FIX, sessions, the feed, the server, the command line."""
