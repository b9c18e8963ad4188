"""Beam: one file per verb, the only place where edges meet kinds and engine. Prints nothing."""
