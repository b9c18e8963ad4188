"""Roof: words on a command line become one flow, one renderer, one exit code."""
