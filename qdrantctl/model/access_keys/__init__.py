"""Access keys: generations and the report on them."""
