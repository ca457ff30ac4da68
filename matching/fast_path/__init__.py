"""Plain limit orders and cancels, worked off with the fewest instructions; prefetching."""
