"""Invariants of a machine's memory between two commands: what a restored snapshot must keep."""
