"""The running venue: its loop, clock, configuration, opening, operators' requests."""
