"""Access keys: their generations, and reports on them."""
