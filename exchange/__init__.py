"""The venue and its people: contracts, calendar, order flow and the command line."""
