"""Single orders: checks, entry, sweep, self-trade prevention, replace, stops, mass cancel."""
