"""The canonical snapshot, written. For C callers only."""
