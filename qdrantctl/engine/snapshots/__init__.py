"""Snapshot policies: retention. Pure."""
