"""Snapshot sets at destinations."""
