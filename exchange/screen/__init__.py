"""The terminal screen of `suanshi top`."""
