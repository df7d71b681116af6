"""Say what was measured: tables for people, JSON for programs."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.jobs import JOBS, Bar
from bench.runner import Result
from bench.stats import Range, paired, summary

__all__ = [
    "about",
    "as_json",
    "bar_rows",
    "bar_values",
    "from_json",
    "merged",
    "number",
    "program_rows",
    "text",
    "verdict",
]

_PACKAGES = (
    "pyenet-vladfi", "pyenet", "msgpack", "msgspec", "pygame-ce", "pygame", "PodSixNet", "websockets",
    "python-socketio", "aiohttp", "Twisted",
)  # fmt: skip


def about(quick: bool) -> dict[str, Any]:
    """Return when, where and with what this runs."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    import pygnetic

    return {
        "date": datetime.date.today().isoformat(),
        "quick": quick,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs{_processor()}",
        "pygnetic": pygnetic.__version__,
        "packages": versions,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return ", " + line.partition(":")[2].strip()
    except OSError:
        pass
    return ""


def number(value: float) -> str:
    """Return a number with three digits that count.

    >>> [number(value) for value in (0.05423, 5.4321, 54.321, 543.21, 54321.0)]
    ['0.054', '5.43', '54.3', '543', '54321']
    """
    size = abs(value)
    return f"{value:.{3 if size < 1 else 2 if size < 10 else 1 if size < 100 else 0}f}"


def verdict(bar: Bar, value: float) -> str:
    """Return what a bar says of a value: ``met``, ``missed``, or '' when there is no bar.

    >>> [verdict(Bar('ours', 'theirs', limit), 1.2) for limit in (1.5, 1.0, None)]
    ['met', 'missed', '']
    """
    reached = bar.reached(value)
    return "" if reached is None else "met" if reached else "missed"


def program_rows(result: Result) -> list[tuple[str, str, str]]:
    """Return title, median and range of each program, or why it is missing."""
    rows = []
    for key, program in result.job.programs.items():
        if key in result.values:
            found = summary(result.values[key])
            rows.append((program.title, number(found.median), f"{number(found.least)} to {number(found.most)}"))
        else:
            rows.append((program.title, "missing", result.missing.get(key, "")))
    return rows


def bar_values(result: Result, bar: Bar) -> Range | None:
    """Return what a bar is about; None if a program is missing."""
    ours, theirs = result.values.get(bar.program), result.values.get(bar.over)
    if not ours or (bar.over and not theirs):
        return None
    return summary(paired(ours, theirs, bar.how) if theirs else ours)


def bar_title(result: Result, bar: Bar) -> str:
    """Return what is compared with what."""
    programs = result.job.programs
    if not bar.over:
        return programs[bar.program].title
    sign = "minus" if bar.how == "difference" else "over"
    return f"{programs[bar.program].title}, {sign} {programs[bar.over].title}"


def bar_rows(result: Result) -> list[tuple[str, str, str, str, str]]:
    """Return title, median, quartiles, bar and verdict of each comparison."""
    rows = []
    for bar in result.job.bars:
        found = bar_values(result, bar)
        limit = "" if bar.limit is None else f"{'>=' if bar.at_least else '<='} {bar.limit:g}"
        limit += f", aim {bar.aim:g}" if bar.aim is not None else ""
        title = bar_title(result, bar)
        if found is None:
            rows.append((title, "missing", "", limit, ""))
        else:
            middle = f"{number(found.low)} to {number(found.high)}"
            rows.append((title, number(found.median), middle, limit, verdict(bar, found.median)))
    return rows


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table for a terminal."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def text(result: Result) -> str:
    """Return a job's tables for a terminal."""
    job = result.job
    parts = [f"== {job.name}: {job.title}", table((job.unit, "median", "range"), program_rows(result))]
    if job.bars:
        parts.append(table(("paired in each round", "median", "half lie in", "bar", ""), bar_rows(result)))
    return "\n".join(parts)


def as_json(conditions: dict[str, Any], results: Iterable[Result]) -> str:
    """Return everything that was measured."""
    jobs = []
    for result in results:
        bars = []
        for bar in result.job.bars:
            found = bar_values(result, bar)
            bars.append(
                {
                    "program": bar.program,
                    "over": bar.over,
                    "how": bar.how,
                    "limit": bar.limit,
                    "found": found and {name: float(f"{value:.4g}") for name, value in asdict(found).items()},
                    "verdict": verdict(bar, found.median) if found else "missing",
                }
            )
        values = {key: [float(f"{value:.5g}") for value in found] for key, found in result.values.items()}
        jobs.append(
            {
                "job": result.job.name,
                "title": result.job.title,
                "unit": result.job.unit,
                "date": result.date,
                "options": result.options,
                "values": values,
                "missing": result.missing,
                "bars": bars,
            }
        )
    # a line for each list, so that two runs can be compared
    text = json.dumps({"conditions": conditions, "jobs": jobs}, indent=1)
    return re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), text) + "\n"


def from_json(text: str) -> tuple[dict[str, Any], list[Result]]:
    """Return the conditions and the results that :func:`as_json` wrote; jobs that are no more are left out."""
    data = json.loads(text)
    known = {job.name: job for job in JOBS}
    results = []
    for found in data["jobs"]:
        job = known.get(found["job"])
        if job is not None:
            values = {key: values for key, values in found["values"].items() if key in job.programs}
            results.append(Result(job, found["options"], values, found["missing"], found["date"]))
    return data["conditions"], results


def merged(old: Iterable[Result], new: Iterable[Result]) -> list[Result]:
    """Return the newest result of each job, in the order of the jobs."""
    by_name = {result.job.name: result for result in (*old, *new)}
    return [by_name[job.name] for job in JOBS if job.name in by_name]
