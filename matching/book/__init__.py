"""The order book: price levels, icebergs, order ids, timers, risk, events of each change."""
