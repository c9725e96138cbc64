"""Stops. For C callers only."""
