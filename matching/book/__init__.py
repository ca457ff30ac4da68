"""The order book: price levels, icebergs, order ids, timers, risk, and the events of each change."""
