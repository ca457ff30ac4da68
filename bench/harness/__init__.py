"""Our engine in the public matching-engine benchmark, beside engines that its user has built."""
