"""Connecting over TCP: the addresses of a host are tried one after the other, and beside each other."""

import contextlib
import selectors
import socket
from collections.abc import Callable
from typing import Protocol

from pygnetic.errors import DisconnectReason
from pygnetic.network._framing import AGAIN, NEW, Peer
from pygnetic.network.base import Resolved

__all__: list[str] = []

# After this many seconds the next address of a host is tried beside the one before (RFC 8305, section 5): where IPv6
# leads into nothing, IPv4 serves.
_HEAD_START = 0.25


class Loop(Protocol):
    """What is asked of the adapter."""

    clock: Callable[[], float]
    #: None once the adapter is closed
    selector: selectors.BaseSelector | None

    def drop(self, peer: Peer, reason: DisconnectReason) -> None:
        """Close a peer's socket and report it, once."""


class Attempt:
    """One address of a peer that is being tried."""

    __slots__ = ("address", "peer", "sock")

    state = NEW

    def __init__(self, peer: Peer, sock: socket.socket, address: tuple[str, int]) -> None:
        self.peer = peer
        self.sock = sock
        self.address = address


class Dialler:
    """The peers of one adapter that are not connected yet."""

    def __init__(self, loop: Loop) -> None:
        self.waiting: dict[Peer, float] = {}  #: when the next address is tried
        self._loop = loop
        self._addresses: dict[Peer, list[Resolved]] = {}  # not tried yet
        self._attempts: dict[Peer, list[Attempt]] = {}

    def dial(self, peer: Peer, addresses: list[Resolved]) -> None:
        """Connect a peer to the first of these addresses that opens."""
        self._addresses[peer] = addresses
        self._attempts[peer] = []
        self._try_next(peer)

    def _try_next(self, peer: Peer) -> None:
        """Begin with the next address that one can begin with."""
        loop = self._loop
        assert loop.selector is not None
        self.waiting[peer] = loop.clock()  # so that it is done again if Ctrl-C comes
        addresses, attempts = self._addresses[peer], self._attempts[peer]
        while addresses:
            family, address = addresses.pop(0)
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
            except OSError:
                continue
            sock.setblocking(False)
            code = sock.connect_ex(address)
            if code == 0 or code in AGAIN:
                peer.address = address[0], address[1]
                attempt = Attempt(peer, sock, peer.address)
                attempts.append(attempt)
                loop.selector.register(sock, selectors.EVENT_WRITE, attempt)
                break
            sock.close()
        else:
            if not attempts:
                loop.drop(peer, DisconnectReason.UNREACHABLE)
        if addresses:
            self.waiting[peer] = loop.clock() + _HEAD_START
        else:
            self.waiting.pop(peer, None)

    def try_others(self) -> float:
        """Try the next addresses where it is time to; return the seconds until it is again."""
        now = self._loop.clock()
        for peer in [peer for peer, due in self.waiting.items() if due <= now]:
            self._try_next(peer)
        return max(min(self.waiting.values(), default=now) - now, 0.0)

    def finished(self, attempt: Attempt) -> None:
        """An attempt has come to its end; done again if Ctrl-C comes before the end of this."""
        peer = attempt.peer
        attempts = self._attempts.get(peer, [])
        if attempt not in attempts:
            return  # another address has just opened
        if attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.waiting[peer] = self._loop.clock()
            self._give_up(attempt)
            attempts.remove(attempt)
            self._try_next(peer)
        else:
            for other in attempts:
                if other is not attempt:
                    self._give_up(other)
            self._addresses[peer].clear()
            self.waiting.pop(peer, None)
            peer.adopt(attempt.sock, attempt.address, selectors.EVENT_WRITE)
            peer.open()
            self._addresses.pop(peer, None)
            self._attempts.pop(peer, None)

    def forget(self, peer: Peer) -> None:
        """Try no more addresses of a peer; harmless when it is connected or unknown."""
        self.waiting.pop(peer, None)
        for attempt in self._attempts.get(peer, ()):
            self._give_up(attempt)
        self._addresses.pop(peer, None)
        self._attempts.pop(peer, None)

    def _give_up(self, attempt: Attempt) -> None:
        selector = self._loop.selector
        if selector is not None:
            with contextlib.suppress(KeyError, ValueError):  # done already, before a Ctrl-C
                selector.unregister(attempt.sock)
        attempt.sock.close()
