"""Administrative commands: instruments, members, money, capacity, and trades that are taken back."""
