"""Workloads: shares of commands on books of given sizes, and the command streams recorded from them."""
