"""`python -m django_craftkit.sandbox`: serve a sandbox until it is told to stop."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
