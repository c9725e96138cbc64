"""What an order is beyond side, price and quantity. For C callers only."""
