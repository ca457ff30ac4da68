"""Generated trading days: real demand from a job trace, seeded prices and supply."""
