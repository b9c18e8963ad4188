"""The audit: evidence, rules and report."""
