"""Applying a plan: its steps performed and read back."""
