"""What follows an input. For C callers only."""
