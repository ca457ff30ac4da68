"""The DuckDB file: schema, batches, journal, names, registry."""
