"""Beam: one file per verb, the only place where adapters meet kinds and engine. Prints nothing."""
