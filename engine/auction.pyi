"""The price of an auction. For C callers only."""
