"""When orders expire and phases end. For C callers only."""
