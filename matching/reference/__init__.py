"""The same rules in plain Python, to be read by a person and compared with the kernel."""
