"""Destinations of snapshots: a folder or object storage."""
