"""Write what was measured for ``doc/performance.rst``: tables as reStructuredText to include, and charts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.report import bar_rows, bar_title, bar_values, program_rows, verdict
from bench.runner import ROOT, Result

__all__ = ["write_pages"]

TABLES = ROOT / "doc" / "_generated"


def rst_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]], widths: tuple[int, ...]) -> list[str]:
    """Return the lines of a list-table."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}", ""]
    for row in (head, *rows):
        for number, cell in enumerate(row):
            start = "   * - " if number == 0 else "     - "
            lines.append((start + cell).rstrip())
    return [*lines, ""]


def job_page(result: Result) -> list[str]:
    """Return the lines of a job's tables."""
    job = result.job
    lines = [job.text, ""]
    lines += rst_table((job.unit, "median", "range"), program_rows(result), (6, 2, 3))
    if job.bars:
        head = ("Paired within each round", "median", "half lie in", "bar", "")
        lines += rst_table(head, bar_rows(result), (7, 2, 3, 3, 2))
    return lines


def conditions_page(conditions: dict[str, Any], results: list[Result]) -> list[str]:
    """Return the lines that say when, where and with what."""
    dates = sorted({result.date for result in results})
    packages = ", ".join(f"{name} {version}" for name, version in conditions["packages"].items())
    return [
        f"Measured {' to '.join(sorted({dates[0], dates[-1]}))} with pygnetic {conditions['pygnetic']} on "
        f"{conditions['python']}, {conditions['system']}, {conditions['machine']}; all traffic on 127.0.0.1.",
        "",
        f"With {packages}.",
        "",
    ]


def verdicts_page(results: list[Result], wanted: str) -> list[str]:
    """Return the lines about the bars that are met, or missed and why."""
    rows = []
    reasons: dict[str, list[str]] = {}  # the titles of the jobs that each is about
    for result in results:
        for bar, row in zip(result.job.bars, bar_rows(result), strict=True):
            found = bar_values(result, bar)
            if found is None or verdict(bar, found.median) != wanted:
                continue
            rows.append((f"{result.job.title}: {bar_title(result, bar)}", *row[1:4]))
            titles = reasons.setdefault(bar.why, [])
            if result.job.title not in titles:
                titles.append(result.job.title)
    if not rows:
        return [f"None is {wanted}.", ""]
    lines = rst_table(("", "median", "half lie in", "bar"), rows, (8, 2, 3, 3))
    if wanted == "missed":
        lines += [f"* **{'; '.join(titles)}.** {why}" for why, titles in reasons.items() if why]
    return [*lines, ""]


def write_pages(conditions: dict[str, Any], results: list[Result], folder: Path = TABLES) -> list[Path]:
    """Write all tables; returns the files."""
    pages = {f"bench_{result.job.name}": job_page(result) for result in results}
    pages["bench_conditions"] = conditions_page(conditions, results)
    pages["bench_met"] = verdicts_page(results, "met")
    pages["bench_missed"] = verdicts_page(results, "missed")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, lines in pages.items():
        target = folder / f"{name}.inc"  # not .rst: they are no pages of their own
        target.write_text('.. Written by "python -m bench --publish".\n\n' + "\n".join(lines), encoding="utf-8")
        written.append(target)
    return written
