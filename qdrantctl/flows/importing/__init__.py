"""Importing: manifests from a live cluster."""
