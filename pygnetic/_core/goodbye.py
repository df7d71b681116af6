"""How open Clients and Servers part: pumped until the others know, when Python ends, and in a forked child."""

import atexit
import contextlib
import os
import time
import weakref
from collections.abc import Iterable
from typing import Protocol

from pygnetic.network.base import CLOSED, Adapter, Peer

__all__: list[str] = []

#: How long a program that ends waits until the others know, in ms: five round trips around the world, and nobody
#: minds a second.
PATIENCE = 1000
# Ends of one program may be each other's: none of them waits longer than this, in ms, while others are to be pumped.
_TURN = 5
# No poll waits longer, in ms (as in Loop.update()).
_LONGEST = 3600_000


class End(Protocol):
    """The loop of a Client or Server."""

    def depart(self) -> "Goodbye | None":
        """Say BYE to everybody; None if that is not to be done here."""

    def overhear(self) -> None:
        """Read what came, for the next update; another end of this program waits to be heard."""

    def bury(self) -> None:
        """Be closed, without a word to handlers."""

    def disown(self) -> None:
        """Be a dead copy of what is the parent's."""


# by id(): a subclass may have an __eq__, and so no hash
_open: "weakref.WeakValueDictionary[int, End]" = weakref.WeakValueDictionary()


class Goodbye:
    """The peers of one adapter that are closing."""

    def __init__(self, adapter: Adapter, peers: Iterable[Peer]) -> None:
        self._adapter = adapter
        self.peers = set(peers)

    def poll(self, timeout: float) -> None:
        """Send and receive; nobody handles what comes."""
        for kind, peer, _, _ in self._adapter.poll(timeout):
            if kind == CLOSED:
                self.peers.discard(peer)


def wait(goodbyes: list[Goodbye], timeout: float) -> None:
    """Pump until all peers are gone, or the time (in ms) is up.

    Other ends of this program go on reading: who hosts a game and plays in it would wait for itself in vain.
    """
    others = list(_open.values())
    # not an adapter's clock, which may stand still
    deadline = time.monotonic() + timeout / 1000
    turn = _LONGEST if len(goodbyes) == 1 and not others else _TURN
    while any(goodbye.peers for goodbye in goodbyes) and (left := deadline - time.monotonic()) > 0:
        for goodbye in goodbyes:
            goodbye.poll(min(left * 1000, turn))
        for end in others:
            end.overhear()


def opened(end: End) -> None:
    """Have an end say goodbye when Python ends, unless it is closed before."""
    _open[id(end)] = end


def closing(end: End) -> None:
    """Forget an end, which says goodbye by itself."""
    _open.pop(id(end), None)


@atexit.register
def _leave() -> None:
    parting = [(end, goodbye) for end in list(_open.values()) if (goodbye := end.depart())]
    for end, _ in parting:
        closing(end)
    with contextlib.suppress(KeyboardInterrupt):  # another Ctrl-C: it is enough
        wait([goodbye for _, goodbye in parting], PATIENCE)
    for end, _ in parting:
        end.bury()


def _forked() -> None:
    for end in list(_open.values()):
        end.disown()
    _open.clear()


if hasattr(os, "register_at_fork"):  # POSIX
    os.register_at_fork(after_in_child=_forked)
