"""The order book: price levels, order ids, timers, risk, and the events of each change."""
