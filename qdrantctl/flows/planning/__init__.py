"""Planning: states read, changes computed, safety checked."""
