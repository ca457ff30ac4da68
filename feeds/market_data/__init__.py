"""The venue's side of market data: events to frames, recovery images, publishing."""
