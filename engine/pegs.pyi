"""Pegged orders. For C callers only."""
