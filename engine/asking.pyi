"""What Python asks for, as command records. For C callers only."""
