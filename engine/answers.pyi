"""What Python is told of the books. For C callers only."""
