"""Measurements of the exchange, and comparisons with other systems: `python -m bench --help`."""
