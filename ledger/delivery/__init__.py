"""From nomination to metered delivery: agreements, blocks, notices, meters, shortfalls."""
