"""Finds a live order by its id or its client_ref. For C callers only."""
