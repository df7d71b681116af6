"""What the numbers of interleaved rounds say."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Range", "paired", "summary"]


@dataclass(frozen=True)
class Range:
    """The median of some numbers, the quartiles around it, and the extremes."""

    median: float
    low: float
    high: float
    least: float
    most: float
    count: int


def _at(ordered: Sequence[float], share: float) -> float:
    """Return the number that lies at a share of the way through, between two neighbours if need be."""
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def summary(values: Sequence[float]) -> Range:
    """Return the median and the ranges of some numbers.

    >>> summary([3.0, 1.0, 2.0])
    Range(median=2.0, low=1.5, high=2.5, least=1.0, most=3.0, count=3)
    """
    ordered = sorted(values)
    return Range(median(ordered), _at(ordered, 0.25), _at(ordered, 0.75), ordered[0], ordered[-1], len(ordered))


def paired(ours: Sequence[float], theirs: Sequence[float], how: str = "ratio") -> list[float]:
    """Compare the measurements of each round with each other: a noisy minute is noisy for both.

    >>> paired([2.0, 30.0], [4.0, 60.0])
    [0.5, 0.5]
    >>> paired([2.0, 30.0], [1.0, 10.0], 'difference')
    [1.0, 20.0]
    """
    if how == "difference":
        return [our - their for our, their in zip(ours, theirs, strict=True)]
    return [our / their for our, their in zip(ours, theirs, strict=True)]
