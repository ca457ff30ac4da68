"""The books: day log, postings, vouchers, settlement and statements."""
