"""Single orders: checks, entry, sweep of the opposite side, fills, replace, stops, mass cancel."""
