"""Where an order is; timers; increments of price. For C callers only."""
