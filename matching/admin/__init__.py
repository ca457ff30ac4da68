"""Administrative commands: instruments, members, money, capacity, and busts."""
