"""Where an order is; increments of price. For C callers only."""
