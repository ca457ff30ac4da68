"""`suanshi ledger`: balances, statements, corrections and exports of the books."""
