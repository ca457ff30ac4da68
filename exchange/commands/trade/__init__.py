"""`suanshi trade`: orders, blocks and deliveries from a terminal."""
