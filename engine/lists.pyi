"""Lists of orders, built and sorted as work. For C callers only."""
