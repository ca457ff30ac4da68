"""Sockets, encryption, polling, and calls to libzmq from compiled code."""
