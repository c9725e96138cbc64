"""What a command leaves to do. For C callers only."""
