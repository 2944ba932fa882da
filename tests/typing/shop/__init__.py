"""A user's project, as type checkers see it. Nothing here runs: ``make lint`` checks it."""
