"""Snapshots: taken, listed, kept by policy and restored."""
