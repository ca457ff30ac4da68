"""The books: settlement, vouchers, deliveries, proofs."""
