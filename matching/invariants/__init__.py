"""Invariants of every state of the machine, and read-only queries of its memory."""
