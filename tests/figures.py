"""The figures that tests measure, printed as one table at the end: `python -m pytest -m "abuse or fuzz"`.

A test takes the fixture `figure` and calls `figure(ROWS[0], "enet", "memory", "+0.3 MB", "+5 MB")`. With
`--figures=FILE` the table is also written as reStructuredText, with the date and the kind of machine:
`doc/security.rst` includes that.
"""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

# What happens, in the order of the tables: this one's, and that of the promises in doc/security.rst.
RANDOM = "100,000 random datagrams of 1 to 1400 bytes, 1000 of 5 kB, some from port 0"
STREAMS = "2000 TCP connections that send random bytes"
FRAGMENTS = "“Fragment 1 of 2²⁰”, 3000 times reliable and 3000 times unreliable, in an accepted connection"
EARLY = "Reliable commands and whole packets far before their turn, in an accepted connection"
FILTER = "An ordinary small datagram, on its way through the filter"
SPOOFED = "3000 spoofed connects, with a guessed cookie and without, against 32 places"
CONNECTS = "3000 TCP connects that say nothing"
FUZZ = "300,000 mutated inputs to the decoders and the session"
FUZZ_WIRE = "2000 mutated packets through real connections"
BOMBS = "8 kB of nested MessagePack headers; 64 KiB and 1 byte"
SILENT = "100 silent clients and 100 with half a HELLO"
COMMANDS = "ENet's commands out of order, repeated or in fragments, 256 datagrams of 32 for each update"
ACKNOWLEDGED = (
    "Acknowledgements of what was never sent, 256 datagrams of 32 for each update, with 500 or 1900 packets in flight"
)
SMALL = "Four players that ask for datagrams of 576 bytes, and always come again, in ten minutes of an ordinary game"
FLOOD = "One flooder at full speed beside an honest 60 Hz client"
READER = "A reader that stops reading while 60 MB are sent to it"
LOSS = "10,000 reliable messages on a bad line"
UNRELIABLE = "Unreliable messages at 5 % loss for 20 s beside reliable ones on the same channel"
KILLED = "SIGKILL of a client; SIGSTOP for 15 s"
CYCLES = "2000 connects and disconnects"
LEAVERS = "Strangers that join and leave at full speed and never close, against 4 places"
DESCRIPTORS = "No descriptor left when clients connect"
MISUSE = "Use after close, after collection, at exit, after fork, Ctrl-C at any moment"
ROWS = (
    RANDOM, STREAMS, FRAGMENTS, EARLY, FILTER, SPOOFED, CONNECTS, FUZZ, FUZZ_WIRE, BOMBS, SILENT, COMMANDS,
    ACKNOWLEDGED, SMALL, FLOOD, READER, LOSS, UNRELIABLE, KILLED, CYCLES, LEAVERS, DESCRIPTORS, MISUSE,
)  # fmt: skip


class Figure(NamedTuple):
    """One measured value beside what was promised."""

    row: str
    adapter: str
    what: str
    value: str
    bar: str


_KEY = pytest.StashKey[list[Figure]]()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Return a function that notes a figure: row, adapter, what was measured, its value, what was promised."""

    def note(row: str, adapter: str, what: str, value: str, bar: str = "") -> None:
        assert row in ROWS
        print(f"{adapter}: {what}: {value} ({bar})")
        request.config.stash.setdefault(_KEY, []).append(Figure(row, adapter, what, value, bar))

    return note


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--figures", metavar="FILE", help="write the figures of the abuse tests to this file, as rst")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "frame"), counted(2, "frame")
    ('1 frame', '2 frames')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def times(number: int) -> str:
    """Return how often.

    >>> times(1), times(2)
    ('once', '2 times')
    """
    return "once" if number == 1 else f"{number} times"


def machine() -> str:
    """Return what kind of machine and Python this is."""
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores{_processor()}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((f" ({line.partition(':')[2].strip()})" for line in lines if line.startswith("model name")), "")


def _in_order(figures: list[Figure]) -> list[Figure]:
    return sorted(figures, key=lambda figure: ROWS.index(figure.row))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    figures = _in_order(config.stash.get(_KEY, []))
    if not figures:
        return
    terminalreporter.section(f"figures, {datetime.date.today()}, {machine()}")
    row = ""
    for figure in figures:
        if figure.row != row:
            row = figure.row
            terminalreporter.write_line(row)
        promise = f"   ({figure.bar})" if figure.bar else ""
        terminalreporter.write_line(f"    {figure.adapter:7} {figure.what}: {figure.value}{promise}")
    if config.getoption("--figures"):
        Path(config.getoption("--figures")).write_text(as_rst(figures), encoding="utf-8")


def as_rst(figures: list[Figure]) -> str:
    """Return the figures as a table in reStructuredText."""
    lines = ['.. Written by: python -m pytest -m "abuse or fuzz" --figures FILE', ""]
    lines += [f"Measured on {datetime.date.today()}: {machine()}.", "", ".. list-table::", "   :header-rows: 1"]
    lines += ["   :widths: 30 10 24 20 16", ""]
    rows = [("What happens", "Adapter", "Figure", "Measured", "Promised")]
    seen = ""
    for row, adapter, what, value, bar in figures:
        rows.append((row if row != seen else "", adapter, what, value, bar))
        seen = row
    for cells in rows:
        for number, cell in enumerate(cells):
            lines.append(f"   {'*' if number == 0 else ' '} - {cell}".rstrip())
    return "\n".join(lines) + "\n"
