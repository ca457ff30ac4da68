"""Plain limit orders and cancels, carried out with the fewest instructions; prefetching."""
