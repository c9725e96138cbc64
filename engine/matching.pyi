"""Matching where more than the plain rules hold. For C callers only."""
