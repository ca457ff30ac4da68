"""Proof of the books: audit, verification by doing a day again, reversal."""
