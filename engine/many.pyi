"""Commands about many orders. For C callers only."""
