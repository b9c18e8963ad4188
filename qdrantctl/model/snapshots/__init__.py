"""Snapshots, snapshot sets and their destinations."""
