"""The canonical snapshot, read back. For C callers only."""
