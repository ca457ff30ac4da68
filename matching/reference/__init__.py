"""The same rules in plain Python: the specification, for people and for comparison."""
