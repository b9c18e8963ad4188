"""The project: created, validated, locked, rendered, and its schemas."""
