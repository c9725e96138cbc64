"""Trailing stops that wait. For C callers only."""
