"""`suanshi admin`: operators' requests to a running venue."""
