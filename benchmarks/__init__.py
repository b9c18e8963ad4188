"""How fast qdrantctl is, each time as a ratio to the least that the task could cost.

`python -m benchmarks` runs all, `python -m benchmarks plan help` some. Both sides of a ratio are
processes started in turn, in one run on one machine, so a busy machine slows both alike.
"""
