"""What stands on the wire: records, messages, keys, errors, and the tables of PROTOCOL.md."""
