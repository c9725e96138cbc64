"""Stops and pegs. For C callers only."""
