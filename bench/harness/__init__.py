"""Our engine in the public matching-engine benchmark, beside peers that its user has built."""
