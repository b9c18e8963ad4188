"""YAML: documents with positions, scalars, emitters and an editor."""
