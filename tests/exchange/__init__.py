"""Definition, generated days, the venue's parts, the command line."""
