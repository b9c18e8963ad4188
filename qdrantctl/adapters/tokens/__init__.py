"""Tokens of access keys: signed, decoded, delivered."""
