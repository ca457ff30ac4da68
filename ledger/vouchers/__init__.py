"""Compute vouchers: eligibility, allocation, decisions, reservations, applications, claims."""
