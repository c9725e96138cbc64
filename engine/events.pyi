"""What others see happen in the books. For C callers only."""
