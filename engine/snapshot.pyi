"""The canonical snapshot. For C callers only."""
