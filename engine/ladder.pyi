"""The levels of one side of a book. For C callers only."""
