"""Single orders: checks, entry, sweep, self-trade prevention, fills, replace, stops, mass cancel."""
