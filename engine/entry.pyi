"""The checks of version 3. For C callers only."""
