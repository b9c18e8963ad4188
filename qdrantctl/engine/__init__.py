"""Diff, judge, plan and safety rules: pure functions of the three states."""
