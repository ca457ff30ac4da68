"""The wire: a served venue beside an echo server, under generated load."""
