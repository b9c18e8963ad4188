"""The speed of qdrantctl, as a ratio to a minimal program for the same task.

`python -m benchmarks` runs all, `python -m benchmarks plan help` some. Both sides of a ratio are
processes started in turn, in one run on one machine, so a busy machine slows both alike.
"""
