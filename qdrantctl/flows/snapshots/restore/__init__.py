"""Restoring a collection from a snapshot."""
