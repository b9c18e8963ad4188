"""Replacements without downtime: their phases, and the commands that steer them."""
