"""Carries a plan out: the one loop, whatever the steps are and whichever command asks for it."""
