"""Replacements without downtime."""
