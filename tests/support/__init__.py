"""Support of tests: generators, small worlds, readers, solvers, processes."""
