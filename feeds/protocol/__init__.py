"""The protocol: records, messages, keys, errors, and the tables of PROTOCOL.md."""
