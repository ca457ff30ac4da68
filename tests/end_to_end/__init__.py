"""Served venues: real processes, sockets and keys; kills, crowds, hostile peers."""
