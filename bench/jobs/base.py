"""What a job is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Bar", "Job", "Program"]


@dataclass(frozen=True)
class Program:
    """One program that is measured, in a process of its own.

    :param title: what the tables call it.
    :param function: ``module:function`` of a generator function in ``bench.peers``.
    :param options: what it is called with; the job's ``options`` come on top.
    :param needs: packages (as pip calls them) without which it is said to be missing; ``enet`` for either pyenet.
    """

    title: str
    function: str
    options: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bar:
    """One line of the comparison: a program's measurements, mostly over those of another in the same rounds.

    :param program: the key of the program.
    :param over: the key of the program that it is compared with; '' to take its measurements as they are.
    :param how: ``'ratio'``, or ``'difference'`` (in the job's unit).
    :param limit: what it must reach; None if it is only published.
    :param aim: what we would like.
    :param at_least: it must be so much or more, where else it must be so much or less.
    :param why: why it is what it is, for the documentation.
    """

    program: str
    over: str = ""
    limit: float | None = None
    aim: float | None = None
    how: str = "ratio"
    at_least: bool = False
    why: str = ""

    def reached(self, value: float) -> bool | None:
        """Return whether a value reaches the limit; None if there is none."""
        if self.limit is None:
            return None
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True)
class Job:
    """Programs that do the same work, and how they are compared.

    :param name: what picks it on the command line.
    :param unit: of each program's measurements.
    :param options: for all of its programs.
    :param quick: what ``--quick`` changes in them.
    :param launches: how many times all of the programs are started anew.
    :param rounds: measurements of each program a launch.
    """

    name: str
    title: str
    text: str
    unit: str
    programs: Mapping[str, Program]
    bars: tuple[Bar, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)
    launches: int = 3
    rounds: int = 7
