"""Trading phases: transitions, gate closures, and the call auction (uncross)."""
