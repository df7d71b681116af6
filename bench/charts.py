"""Draw what was measured, for ``doc/performance.rst``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.report import bar_title, bar_values, number
from bench.runner import ROOT, Result
from bench.stats import summary

__all__ = ["draw"]

PICTURES = ROOT / "doc" / "_static"
_HAND, _OURS, _OTHERS = "#9aa3ad", "#2f6fb5", "#d08a3c"
_MET, _MISSED = "#3d8a5a", "#b5483a"

# file, title, jobs
_CHARTS = (
    ("bench_echo.svg", "Echo: microseconds of CPU, less is better", ("echo", "echo-single")),
    ("bench_libraries.svg", "Echoes a second of CPU, more is better", ("libraries",)),
    (
        "bench_broadcast.svg",
        "Broadcast at 60 Hz: microseconds of the server's CPU a frame, less is better",
        ("broadcast-100", "broadcast-500", "broadcast-tcp-100", "broadcast-tcp-500"),
    ),
)


def draw(results: Iterable[Result], folder: Path = PICTURES) -> list[Path]:
    """Draw all charts whose jobs were run; returns the files."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "pygnetic", "svg.fonttype": "none", "font.size": 9})
    by_name = {result.job.name: result for result in results}
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, title, jobs in _CHARTS:
        panels = [by_name[job] for job in jobs if job in by_name]
        if panels:
            written.append(_save(_programs(title, panels), folder / name))
    if any(bar.limit is not None for result in by_name.values() for bar in result.job.bars):
        written.append(_save(_bars(list(by_name.values())), folder / "bench_bars.svg"))
    return written


def _save(figure: Any, target: Path) -> Path:
    from matplotlib import pyplot

    figure.savefig(target, metadata={"Date": None})
    pyplot.close(figure)
    return target


def _clean(axes: Any) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _programs(title: str, panels: list[Result]) -> Any:
    """Draw the medians of each job's programs, with the middle half of the measurements."""
    from matplotlib import pyplot

    rows = [len(result.values) for result in panels]
    figure, all_axes = pyplot.subplots(
        len(panels),
        1,
        figsize=(8, 0.6 + 0.27 * sum(rows) + 0.55 * len(panels)),
        height_ratios=rows,
        squeeze=False,
        layout="constrained",
    )
    figure.suptitle(title, fontsize=11)
    for axes, result in zip(all_axes[:, 0], panels, strict=True):
        keys = [key for key in result.job.programs if key in result.values][::-1]
        for place, key in enumerate(keys):
            found = summary(result.values[key])
            program = result.job.programs[key]
            hand, ours = program.title.startswith("by hand"), program.title.startswith("pygnetic")
            axes.barh(place, found.median, color=_HAND if hand else _OURS if ours else _OTHERS, height=0.7)
            axes.plot([found.low, found.high], [place, place], color="#333333", linewidth=1)
            axes.text(max(found.median, found.high), place, f" {number(found.median)}", va="center", fontsize=8)
        axes.set_yticks(range(len(keys)), [result.job.programs[key].title for key in keys])
        axes.set_title(result.job.title, fontsize=9, loc="left")
        axes.margins(x=0.12)
        axes.set_xlim(left=0)
        _clean(axes)
    return figure


def _bars(results: list[Result]) -> Any:
    """Draw how much of what each bar allows was used."""
    from matplotlib import pyplot

    rows = []
    for result in results:
        for bar in result.job.bars:
            found = bar_values(result, bar)
            if bar.limit is not None and found is not None:
                used = bar.limit / found.median if bar.at_least else found.median / bar.limit
                title = bar_title(result, bar).replace(": pyenet + msgpack, a packet a message", "")
                rows.append((f"{result.job.title}\n{title}", used, bool(bar.reached(found.median))))
    rows.reverse()
    figure, axes = pyplot.subplots(figsize=(8, 0.8 + 0.42 * len(rows)), layout="constrained")
    figure.suptitle("How much of its bar each job uses; left of the line is met", fontsize=11)
    for place, (_, used, reached) in enumerate(rows):
        axes.barh(place, used, color=_MET if reached else _MISSED, height=0.6)
        axes.text(used, place, f" {used:.0%}", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [title for title, _, _ in rows], fontsize=7)
    axes.axvline(1, color="#333333", linewidth=1)
    axes.set_xlim(0, max(1.2, *(used * 1.1 for _, used, _ in rows)))
    axes.xaxis.set_major_formatter("{x:.0%}")
    _clean(axes)
    return figure
