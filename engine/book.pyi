"""The matching rules. For C callers only."""
