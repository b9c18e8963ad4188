"""Snapshots: take, list, schedule, retain and restore."""
