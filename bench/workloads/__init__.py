"""Workloads: shares of commands on books of given sizes, and command streams recorded from them."""
