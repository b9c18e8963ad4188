"""The lowest layer: the terms of qdrantctl as frozen types. It reads and prints nothing."""
