"""Timers: which target expires when."""

import heapq
from collections.abc import Iterator
from itertools import count
from math import inf
from typing import Generic, Protocol, TypeVar

__all__: list[str] = []


# Stale entries tolerated before the heap is rebuilt.
_SLACK = 256


class Target(Protocol):
    """Something with one timer."""

    #: When it expires; only the queue sets it.
    due: float


_T = TypeVar("_T", bound=Target)


class TimerQueue(Generic[_T]):
    """One timer for each target, in a heap: an update costs work for those that expire, not for all there are."""

    __slots__ = ("_heap", "_most", "_order", "next")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, _T]] = []
        self._most = _SLACK
        self._order = count()  # targets themselves cannot be compared
        #: The time before which nothing expires.
        self.next = inf

    def __len__(self) -> int:
        return len(self._heap)

    def set(self, target: _T, due: float) -> None:
        """Have a target expire at a time, and not at the one set before; ``inf`` is never."""
        if due == inf:
            target.due = inf
            return
        if len(self._heap) > self._most:
            # the stale entries go now, or clients that come and go could fill the memory
            heap = [entry for entry in self._heap if entry[2].due == entry[0]]
            heapq.heapify(heap)
            self._heap = heap
            self._most = 2 * len(heap) + _SLACK
        # in this order: wherever Ctrl-C comes, the target has a timer, and `next` is not too late
        self.next = min(self.next, due)
        heapq.heappush(self._heap, (due, next(self._order), target))
        target.due = due

    def pop_expired(self, now: float) -> Iterator[_T]:
        """Go through the targets that have expired, the longest due first; each stays here until it is done."""
        while self._heap and self._heap[0][0] <= now:
            entry = self._heap[0]
            if entry[2].due == entry[0]:  # else another time was set since
                yield entry[2]
            if self._heap and self._heap[0] is entry:
                heapq.heappop(self._heap)
        self.next = self._heap[0][0] if self._heap else inf

    def clear(self) -> None:
        """Forget all."""
        self._heap.clear()
        self.next = inf
