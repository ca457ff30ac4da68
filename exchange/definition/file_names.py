"""Names of files that the command line and a running venue agree on."""

LEDGER_NAME = "ledger.duckdb"
"""The books, in the folder of the day logs."""

CONNECTION_NAME = "connection.toml"
"""The endpoints and the public key of a venue, in its folder."""

DELIVERY_FOLDER = "delivery"
"""Dispatch notices and meter readings, in the venue's folder."""
