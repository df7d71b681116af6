"""When to look at whom next."""

import heapq
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
        target._due = due
        if len(self._heap) > self._most:
            # what is out of date goes now, or strangers that come and go could fill the memory
            self._heap = [entry for entry in self._heap if entry[2]._due == entry[0]]
            heapq.heapify(self._heap)
            self._most = 2 * len(self._heap) + _SLACK
        heapq.heappush(self._heap, (due, next(self._order), target))
        self.next = self._heap[0][0]

    def take(self, now: float) -> list[Any]:
        """Return the targets whose time has come, the longest due first."""
        heap, taken = self._heap, []
        while heap and heap[0][0] <= now:
            due, _, target = heapq.heappop(heap)
            if target._due == due:  # else another time was set since
                taken.append(target)
        self.next = heap[0][0] if heap else inf
        return taken

    def clear(self) -> None:
        """Forget all."""
        self._heap.clear()
        self.next = inf
