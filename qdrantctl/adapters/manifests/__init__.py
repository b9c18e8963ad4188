"""Manifest files: finding, rendering, parsing, validating, writing and editing them."""
