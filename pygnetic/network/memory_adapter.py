"""Both ends in one process, without a network: for single player, and for tests that control the clock."""

import errno
import itertools
import time
import weakref
from collections.abc import Callable, Iterator

from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits
from pygnetic.network import base
from pygnetic.network._records import MEMORY
from pygnetic.network.base import (
    CLOSED,
    OPENED,
    PACKET,
    Event,
    Info,
    check_host,
    check_port,
    listen_error,
    never_opened,
)

__all__ = ["Adapter", "Peer"]

# What a packet takes in a queue beside its bytes: the object, its event, and its place in the queue.
_QUEUED_COST = 144
_INFOS = tuple(Info(channel=number) for number in range(32))
_LOCAL = {"", "localhost", "127.0.0.1", "::1", "0.0.0.0"}
# an event, of one of our own peers
_Event = tuple[int, "Peer", bytes, Info | DisconnectReason | None]
_listening: "weakref.WeakValueDictionary[tuple[str, int], Adapter]" = weakref.WeakValueDictionary()
# the ports that systems hand out for port 0 (RFC 6335, dynamic ports); none of them is a real port here
_ports = itertools.cycle(range(49152, 65536))


def _key(host: str, port: int) -> tuple[str, int]:
    return ("127.0.0.1" if host in _LOCAL else host, port)


class Peer:
    """The other end, which is a Peer of another adapter."""

    __slots__ = ("_adapter", "_ended", "_far", "address", "left", "opened", "other", "taking", "unsent")

    def __init__(self, adapter: "Adapter", address: tuple[str, int]) -> None:
        self.address = address
        self.unsent = 0
        self.taking: Iterator[object] = iter(())
        self.opened = False
        self.left = False  # closed by this end
        self.other: Peer | None = None
        self._adapter = adapter
        self._far: Adapter | None = None  # the other's
        self._ended = False  # its CLOSED is on the way

    def meet(self, other: "Peer", far: "Adapter") -> None:
        """Be one end of a connection.

        :param far: the adapter that has the other end.
        """
        self.other, self._far = other, far

    def send(
        self, packet: bytes, *, channel: int = 0, reliable: bool = True, ordered: bool = True, urgent: bool = False
    ) -> bool:
        """Queue a packet; False before OPENED, after close and over the unsent limit."""
        other, far = self.other, self._far
        # _ended: a packet would come after CLOSED
        if other is None or far is None or self._ended or not self.opened:
            return False
        unsent, limit = self.unsent + len(packet) + _QUEUED_COST, self._adapter.limits.unsent
        if unsent > limit and base.over_limit(unsent, limit, urgent):
            return False
        self.unsent = unsent
        taking = iter(((PACKET, other, packet, _INFOS[channel]),))
        self.taking = taking
        far.events.extend(taking)
        return True

    def disconnect(self) -> None:
        """Close; what was sent before still arrives."""
        self.left = True
        self.end()
        if self.other is not None:
            self.other.end()

    def end(self) -> None:
        """Report CLOSED, once."""
        if not self._ended:
            self._adapter.events.append((CLOSED, self, b"", None))
            self.unsent = 0
            self._ended = True

    def break_off(self, packet: bytes) -> None:
        """Close, and tell why: what was sent has arrived already."""
        self.send(packet, urgent=True)
        self.disconnect()

    def abort(self) -> None:
        """Close now."""
        self.disconnect()


class Adapter:
    """Packets go from one list to another.

    :param clock: the clock that deadlines are judged by, in seconds; a test can hand in its own.
    """

    title = MEMORY.title
    largest_unreliable = None

    def __init__(
        self,
        address: tuple[str, int] | None = None,
        conn_limit: int = 4,
        *,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.limits = limits
        self.address: tuple[str, int] | None = None
        self.events: list[_Event] = []
        self.peers: set[Peer] = set()
        self._closed = False
        if address is not None:
            host, port = address
            check_port(host, port, 0)
            if host != "":
                check_host(host)
            while port == 0 or (address[1] == 0 and _key(host, port) in _listening):
                port = next(_ports)
            if _key(host, port) in _listening:
                raise listen_error((host, port), OSError(errno.EADDRINUSE, "in use"))
            self.address = (host or "127.0.0.1", port)
            _listening[_key(host, port)] = self

    def connect(self, host: str, port: int) -> Peer:
        """Start to connect to a Server of this process.

        :raises OSError: the host is no name or address, or the port is not a number from 1 to 65535.
        """
        if self._closed:
            raise OSError(errno.EBADF, "this adapter is closed")
        check_port(host, port, 1)
        check_host(host)
        peer = Peer(self, (host, port))
        self.peers.add(peer)
        server = _listening.get(_key(host, port))
        if server is None:
            peer.disconnect()
        else:
            other = Peer(server, ("127.0.0.1", next(_ports)))
            server.peers.add(other)
            peer.meet(other, server)
            other.meet(peer, self)
            server.events.append((OPENED, other, b"", None))
            self.events.append((OPENED, peer, b"", None))
        return peer

    def poll(self, timeout: float = 0) -> list[Event]:
        """Take all there is; it never waits, since whoever would send is in this process."""
        taken: list[Event] = []
        for event in self.events:  # which stay there until they are returned
            kind, peer, _, _ = event
            if kind == PACKET:
                if peer.other is not None:
                    peer.other.unsent = 0
            elif kind == CLOSED:
                event = (CLOSED, peer, b"", never_opened(peer.opened))
                peer.other = None
                self.peers.discard(peer)
            elif peer.left:
                continue
            else:
                peer.opened = True
            taken.append(event)
        # no call stands between these two, and so no Ctrl-C
        self.events = []; return taken  # fmt: skip  # noqa: E702

    def flush(self) -> None:
        """Nothing to do: packets arrive when they are sent."""

    def close(self) -> None:
        """Close every peer and free the port."""
        if self.address is not None and not self._closed:  # it may be another's already
            _listening.pop(_key(*self.address), None)
        self._closed = True
        for peer in list(self.peers):
            peer.disconnect()
            peer.other = None
        self.peers.clear()
        self.events.clear()

    def abandon(self) -> None:
        """Close: nobody else has any of it, and a forked child has copies of both ends."""
        self.close()
