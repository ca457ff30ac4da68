"""The commands of `suanshi`, one a file: thin, and heavy imports happen inside them."""
