"""The DuckDB file: schema, batches, journal, names, directory of the registry."""
