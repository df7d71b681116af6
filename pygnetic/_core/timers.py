"""When to look at whom next."""

import heapq
from collections.abc import Iterator
from itertools import count
from math import inf
from typing import Any

__all__: list[str] = []


# So many entries may be out of date before they are looked through.
_SLACK = 256


class Deadlines:
    """One deadline for each target, in a heap: an update costs work for those that are due, not for all there are.

    A target is anything with an attribute ``_due``.
    """

    __slots__ = ("_heap", "_most", "_order", "next")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Any]] = []
        self._most = _SLACK
        self._order = count()  # targets themselves cannot be compared
        #: The time before which there is nothing to do.
        self.next = inf

    def __len__(self) -> int:
        return len(self._heap)

    def set(self, target: Any, due: float) -> None:
        """Look at a target at a time, and not at the one set before."""
        if len(self._heap) > self._most:
            # what is out of date goes now, or strangers that come and go could fill the memory
            heap = [entry for entry in self._heap if entry[2]._due == entry[0]]
            heapq.heapify(heap)
            self._heap = heap
            self._most = 2 * len(heap) + _SLACK
        # in this order: wherever Ctrl-C comes, the target has a deadline, and `next` is not too late
        self.next = min(self.next, due)
        heapq.heappush(self._heap, (due, next(self._order), target))
        target._due = due

    def take(self, now: float) -> Iterator[Any]:
        """Go through the targets whose time has come, the longest due first; each is left here until it is done."""
        while self._heap and self._heap[0][0] <= now:
            entry = self._heap[0]
            if entry[2]._due == entry[0]:  # else another time was set since
                yield entry[2]
            if self._heap and self._heap[0] is entry:
                heapq.heappop(self._heap)
        self.next = self._heap[0][0] if self._heap else inf

    def clear(self) -> None:
        """Forget all."""
        self._heap.clear()
        self.next = inf
