"""The order book: price levels, order ids, timers, risk, and the events that a change of it makes."""
