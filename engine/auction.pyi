"""Phases and auctions. For C callers only."""
