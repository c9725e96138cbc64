"""The pools that hold a machine's orders, levels and branches. For C callers only."""
