"""Used after its end, a connection may raise; it must never take Python with it. Each case in a process of its own."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import figures
import pytest
from misuse import CASES, POSIX

SCRIPT = Path(__file__).with_name("misuse.py")


def start(case: str, adapter: str) -> subprocess.Popen[str]:
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), PYTHONFAULTHANDLER="1")
    command = [sys.executable, "-W", "ignore::ResourceWarning", str(SCRIPT), case, adapter]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


@pytest.mark.parametrize("rounds", [1, pytest.param(4, marks=pytest.mark.abuse)])
def test_no_misuse_crashes(wire_name: str, rounds: int, figure: Callable[..., None]) -> None:
    cases = [case for case in CASES if os.name == "posix" or case not in POSIX]
    ends = {}
    running: dict[tuple[int, str], subprocess.Popen[str]] = {}
    for case in itertools.product(range(rounds), cases):
        running[case] = start(case[1], wire_name)
        if len(running) == 3:  # a few at a time: it is mostly Python's own start that takes long
            oldest = next(iter(running))
            ends[oldest] = running.pop(oldest)
            ends[oldest].output = ends[oldest].communicate(timeout=40)[0]  # type: ignore[attr-defined]
    for case, process in running.items():
        ends[case] = process
        process.output = process.communicate(timeout=40)[0]  # type: ignore[attr-defined]
    bad = {case: (end.returncode, end.output) for case, end in ends.items() if end.returncode}  # type: ignore[attr-defined]
    figure(figures.MISUSE, wire_name, "ended by a signal or an error", f"{len(bad)} of {len(ends)}", "0")
    assert not bad


def test_a_crash_would_be_seen() -> None:
    code = "import ctypes; ctypes.string_at(0)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode not in (0, 1)
