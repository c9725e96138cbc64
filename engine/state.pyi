"""The whole state of a machine as one struct. For C callers only."""
