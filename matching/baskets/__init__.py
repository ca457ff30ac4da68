"""Orders for a basket, which any of its like instruments may fill: entry, candidates, trades."""
