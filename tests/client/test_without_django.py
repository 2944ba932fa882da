"""The client needs requests, and neither Django nor what else the app needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .conftest import KEY, RENDER, Serve, answers

ROOT = Path(__file__).parents[2]
SCRIPT = """
import os, sys

# Whatever imports one of these finds that it is not installed.
for name in ("django", "celery", "rest_framework"):
    sys.modules[name] = None

from django_craftkit.client import *
from django_craftkit.client import CraftkitAccount, CraftkitAdmin, CraftkitHook, CraftkitSession

craftkit = Craftkit(os.environ["KEY"], base_url=os.environ["URL"])
print(craftkit.renders.get(os.environ["RENDER"]).status)
assert not [name for name in sys.modules if name.startswith("django.")]
"""


def test_a_script_needs_no_django(serve: Serve, tmp_path: Path) -> None:
    server = serve(answers(200, f'{{"id": "{RENDER}", "status": "succeeded"}}'.encode()))
    environment = {"KEY": KEY, "URL": server.url, "RENDER": RENDER, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("succeeded\n", "")
