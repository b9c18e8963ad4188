"""The machine: git, and the user or pipeline that runs qdrantctl."""
