"""The ledger: settlement of a synthetic day beside SQLite, and the allocation of vouchers."""
