"""What tests share: generators, worlds, readers, solvers."""
