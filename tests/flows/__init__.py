"""Flows against real servers: the command line is run in process, manifests are data."""
