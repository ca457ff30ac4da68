"""Single orders: checks, entry, sweep of the opposite side, replace, stops, mass cancel."""
