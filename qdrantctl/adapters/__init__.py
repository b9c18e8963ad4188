"""Adapters to the outside, one foreign library or system each. They decide nothing."""
