"""Those who have connected to a server and have not been welcomed yet."""

from collections import Counter
from typing import Any

from pygnetic.network.base import neighbourhood

__all__: list[str] = []


class Stranger:
    """A peer that has not been welcomed; it has no Connection and counts as nobody."""

    __slots__ = ("_due", "address", "connection", "neighbourhood", "peer", "refused")

    def __init__(self, peer: Any) -> None:
        self.peer = peer
        self.address = peer.address
        self.neighbourhood = neighbourhood(peer.address[0])
        self.refused = False
        self.connection: Any = None  # while it is being welcomed
        self._due = 0.0


class Strangers(dict[Any, Stranger]):
    """All of them by peer, the oldest first."""

    def most_crowded(self) -> Stranger:
        """Return who is to go when there are too many: the oldest of the neighbourhood that most of them are from.

        So who comes from everywhere is not pushed out by somebody who connects over and over.
        """
        crowds = Counter(stranger.neighbourhood for stranger in self.values())
        largest = max(crowds, key=crowds.__getitem__)  # of equals the first, which has the oldest
        return next(stranger for stranger in self.values() if stranger.neighbourhood == largest)
