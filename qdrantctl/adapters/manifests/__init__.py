"""Manifest files: found, rendered, parsed, validated, written and edited."""
