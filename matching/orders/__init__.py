"""Single orders: checks, entry, sweep, prevention, replace, stops, quotes, mass cancel."""
