"""What the package costs, as ratios within one run: ``python -m tests.benchmarks [--quick]``.

Both sides of a ratio take turns on the same machine, database and broker; each round gives one
ratio, and the median is judged. No absolute time is. Needs PostgreSQL and Redis; makes a database
of its own and drops it.
"""
