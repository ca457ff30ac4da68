"""`suanshi ledger`: what the books say, for people and other programs."""
