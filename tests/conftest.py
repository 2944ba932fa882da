from __future__ import annotations

import os

import pytest
from hypothesis import settings

# What is worth more says so itself.
settings.register_profile("suite", max_examples=40)
settings.load_profile("suite")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes ``-n auto`` means: some tests wait, for a lease or a browser."""
    return (os.cpu_count() or 1) + 1
