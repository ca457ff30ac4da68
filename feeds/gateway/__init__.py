"""The venue's side of order entry: connections, sessions, the gate, execution reports."""
