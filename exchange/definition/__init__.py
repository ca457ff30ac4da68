"""The venue as its operator defines it: chips, hubs, contracts, programmes, members, calendar."""
