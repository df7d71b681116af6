"""Those who have connected to a server and have not been welcomed yet."""

from typing import Any

from pygnetic.network.base import eviction_candidates, neighbourhood

__all__: list[str] = []


class Stranger:
    """A peer that has not been welcomed; it has no Connection and counts as nobody."""

    __slots__ = ("_due", "address", "connection", "peer", "refused", "source")

    def __init__(self, peer: Any) -> None:
        self.peer = peer
        self.address = peer.address
        self.source = neighbourhood(peer.address[0]), peer.address
        self.refused = False
        self.connection: Any = None  # while it is being welcomed
        self._due = 0.0


class Strangers(dict[Any, Stranger]):
    """All of them by peer, the oldest first."""

    def most_crowded(self) -> Stranger:
        """Return who is to go when there are too many."""
        (peer,) = eviction_candidates({peer: stranger.source for peer, stranger in self.items()}, 1)
        return self[peer]
