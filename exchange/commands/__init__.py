"""The commands of `suanshi`, one a file; heavy imports happen inside them."""
