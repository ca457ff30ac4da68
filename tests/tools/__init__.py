"""Long runs by hand: fuzz, deliberate faults, branch coverage."""
