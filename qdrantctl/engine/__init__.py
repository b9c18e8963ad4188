"""Pillar: thinking. Diff, judge, plan and guard are pure functions of the three worlds."""
