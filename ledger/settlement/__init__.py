"""Netting of a day's trades and busts: one price an instrument, one position an account."""
