"""What the figures of ``make bench`` rest on, and what would be wrong without a word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .instruments import apps as instruments
from .processes import parse, tree

BURN = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
#: What of it the system tells at least: whole ticks of user time and of system time, each cut.
BURNT = 0.3 - 2 / os.sysconf("SC_CLK_TCK")


def test_the_cpu_of_a_line_of_proc_is_that_of_the_process_and_of_children_it_waited_for():
    numbers = [0] * 48
    numbers[9:13] = 100, 20, 3, 4  # user, system, and both of its children
    numbers[19] = 5  # pages
    line = f"42 (a (strange) name) S 7 {' '.join(map(str, numbers))}"
    status = parse(line)
    assert status.parent == 7
    assert status.cpu == pytest.approx(127 / os.sysconf("SC_CLK_TCK"))
    assert status.resident == 5 * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_the_cpu_of_this_process_is_what_the_system_says():
    before = tree(os.getpid())[0].cpu
    subprocess.run([sys.executable, "-c", BURN], check=True)
    times = os.times()
    cpu = tree(os.getpid())[0].cpu
    assert cpu == pytest.approx(sum(times[:4]), abs=0.1)
    assert cpu - before >= BURNT


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_what_a_process_has_started_counts_while_it_runs():
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WAIT!r}])"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"burnt\n"
    found = tree(process.pid)
    process.communicate()
    assert len(found) == 2
    assert found[1].parent == process.pid
    assert found[1].cpu >= BURNT


WAIT = f"{BURN}\nprint('burnt', flush=True)\ninput()"


def test_a_tally_counts_in_each_process_and_is_read_over_all(tmp_path):
    tally = instruments.Tally(tmp_path, "queries")
    for _ in range(3):
        tally.add()
    pid = os.fork()
    if not pid:
        tally.add()
        os._exit(0)
    os.waitpid(pid, 0)
    tally.add()
    assert instruments.read(tmp_path, "queries") == 5
    assert instruments.read(tmp_path, "calls") == 0
