"""Run the programs of a job side by side: all are started, then they measure in turns, A, B, A, B.

Turns make a noisy moment hit all of them alike, so what counts is the median of the ratios *within* a round. Every
program has a process of its own, started anew a few times, since a process can be lucky or unlucky as a whole.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bench.jobs import Job, Program

__all__ = ["Result", "run"]

ROOT = Path(__file__).resolve().parent.parent
# Interpreters to look for when this one lacks a package: PodSixNet needs asyncore, which left Python 3.12.
_OTHER_PYTHONS = ("python3.11", "python3.10")


@dataclass
class Result:
    """What a job's programs measured: by key, one number a round; and why the others did not run."""

    job: Job
    options: dict[str, Any]
    values: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    date: str = field(default_factory=lambda: datetime.date.today().isoformat())


def run(
    job: Job,
    quick: bool = False,
    tell: Callable[[str], object] = lambda text: None,
    others: tuple[str, ...] = (),
) -> Result:
    """Run a job.

    :param quick: roughly, in a few seconds.
    :param others: interpreters for programs whose packages this one lacks.
    :param tell: is told how it goes.
    """
    result = Result(job, {**job.options, **(job.quick if quick else {})})
    launches, rounds = (1, 2) if quick else (job.launches, job.rounds)
    pythons = {}
    for key, program in job.programs.items():
        python, lacks = find_python(program.needs, others)
        if python:
            pythons[key] = python
            result.values[key] = []
        else:
            result.missing[key] = f"{lacks} is not installed"
    for launch in range(launches):
        tell(f"{job.name}: {launch + 1} of {launches}")
        _launch(result, pythons, rounds)
    return result


def _launch(result: Result, pythons: dict[str, str], rounds: int) -> None:
    workers: dict[str, Worker] = {}
    try:
        for key in result.values:
            workers[key] = Worker(result.job.programs[key], result.options, pythons[key])
        for key in list(workers):
            error = workers[key].wait_ready()
            if error:
                result.missing[key] = error
                del result.values[key]
                workers.pop(key).close()
        keys = list(workers)
        for number in range(rounds):
            # forwards, then backwards: nobody always comes after the same one
            for key in keys if number % 2 == 0 else reversed(keys):
                result.values[key].append(workers[key].measure())
    finally:
        for worker in workers.values():
            worker.close()


class Worker:
    """A measured program in a process of its own."""

    def __init__(self, program: Program, options: dict[str, Any], python: str) -> None:
        self.program = program
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, closed by close()
        command = [python, "-m", "bench.worker", "--serve", program.function]
        self._process = subprocess.Popen(
            [*command, json.dumps({**program.options, **options})],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def wait_ready(self) -> str:
        """Wait until it has set up; return why it could not, or ''."""
        return "" if "ready" in self._answer() else self._error()

    def measure(self) -> float:
        """Return its next measurement."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        answer = self._answer()
        if "value" not in answer:
            raise RuntimeError(f"{self.program.title} ended while it measured: {self._error()}")
        return float(answer["value"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):  # libraries print things, too
                answer: dict[str, Any] = json.loads(line)
                return answer
        return {}

    def _error(self) -> str:
        self._process.wait(10)
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1] if lines else f"it ended with code {self._process.returncode}"

    def close(self) -> None:
        """End it: it ends by itself when nobody writes to it any more."""
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


def environment() -> dict[str, str]:
    """Return the environment of all measured programs."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",
        "PYTHONWARNINGS": "ignore",
        "SDL_VIDEODRIVER": "dummy",
        "SDL_AUDIODRIVER": "dummy",
        "PYGAME_HIDE_SUPPORT_PROMPT": "1",
    }


# either is the module enet
_ALTERNATIVES = {"enet": ("pyenet-vladfi", "pyenet")}
_LOOK = """
import sys
from importlib.metadata import PackageNotFoundError, version
for names in sys.argv[1:]:
    for name in names.split("|"):
        try:
            version(name)
            break
        except PackageNotFoundError:
            continue
    else:
        sys.exit(names)
if "PodSixNet" in sys.argv:
    import PodSixNet.Server
"""


@cache
def find_python(packages: tuple[str, ...], others: tuple[str, ...] = ()) -> tuple[str, str]:
    """Return an interpreter that has some packages, this one if it does, and '' or what this one lacks.

    :param others: interpreters to ask before those on the path.
    """
    names = ["|".join(_ALTERNATIVES.get(package, (package,))) for package in packages]
    lacks = ""
    on_path = [found for name in _OTHER_PYTHONS if (found := shutil.which(name))]
    for python in (sys.executable, *others, *on_path):
        asked = subprocess.run([python, "-c", _LOOK, *names], capture_output=True, text=True, check=False)
        if not asked.returncode:
            return python, ""
        lacks = lacks or asked.stderr.strip().splitlines()[-1]
    return "", lacks
