"""Snapshot policies: status, run, prune and verify."""
