"""A day's trades and busts become one price an instrument and one position an account."""
