"""TCP, by the standard library's sockets and selectors: works wherever Python does.

Everything arrives reliably and in order, whatever delivery was registered, and channels do not exist. Here is the loop
over all sockets; ``_dialling.py`` connects, and ``_framing.py`` cuts a stream into packets.
"""

import contextlib
import errno
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from itertools import repeat, starmap

from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits
from pygnetic.network._dialling import Attempt, Dialler
from pygnetic.network._framing import CHUNK, CLOSING, OPEN, Peer
from pygnetic.network._framing import CLOSED as GONE
from pygnetic.network._records import SOCKET
from pygnetic.network.base import CLOSED, Event, Resolved, check_port, listen_error, resolve

__all__ = ["Adapter", "Peer"]

# The first time in a poll, and of those that send very small packets: 13,000 fit into a chunk, and take 10 ms.
_FIRST_CHUNK = 16384
# What a packet takes beside its bytes (an event here, a place in the backlog there).
_PACKET_COST = 100
# A queue as long as Linux' default (SOMAXCONN before 5.4); more are taken in the next poll.
_BACKLOG = 128
# Without a free descriptor accept() fails and the listener stays readable: look again after this many seconds.
_PAUSE = 0.2


class Adapter:
    """One selector, and one socket a peer."""

    title = SOCKET.title
    other = SOCKET.instead
    largest_unreliable = None

    def __init__(self, address: tuple[str, int] | None = None, conn_limit: int = 4, *, limits: Limits) -> None:
        self.clock: Callable[[], float] = time.monotonic
        self.limits = limits
        self.address: tuple[str, int] | None = None
        self.selector: selectors.BaseSelector | None = None
        self.events: list[Event] = []
        self.writers: list[Peer] = []
        self.framed: tuple[bytes | None, bytes] = None, b""
        # What Ctrl-C may have interrupted, and the next poll settles first:
        self._accepted: list[tuple[socket.socket, tuple[str, int] | None] | Peer] = []  # accepted, then its peer
        self._reading: Peer | None = None
        self._dropped: list[tuple[int, Peer, bytes, DisconnectReason]] = []  # CLOSED of peers that are to be forgotten
        self._peers: set[Peer] = set()
        self._dialler = Dialler(self)
        self._listener: socket.socket | None = None
        self._resume = 0.0
        # more of one peer's in one poll would not fit into its backlog
        self._share = limits.backlog // 2
        self._late: dict[Peer | Attempt | None, int] = {}
        if address is not None:
            host, port = address
            check_port(host, port, 0)
            self._listener = _listen(host, port, limits.resolve_time)
            name = self._listener.getsockname()
            self.address = (name[0], name[1])
        self.selector = selectors.DefaultSelector()
        if self._listener is not None:
            self.selector.register(self._listener, selectors.EVENT_READ, None)

    def connect(self, host: str, port: int) -> Peer:
        """Start to connect to the addresses of a host: the first that opens is taken.

        :raises OSError: the host does not resolve, or the port is not a number from 1 to 65535.
        """
        if self.selector is None:
            raise OSError(errno.EBADF, "this adapter is closed")
        peer = Peer(self, (host, port))
        addresses = resolve(host, port, self.limits.resolve_time, kind=socket.SOCK_STREAM)
        self._peers.add(peer)
        self._dialler.dial(peer, addresses)
        return peer

    def drop(self, peer: Peer, reason: DisconnectReason) -> None:
        """Close a peer's socket and report it, once."""
        if peer.state != GONE:
            self._dropped.append((CLOSED, peer, b"", reason))
            self._report()

    def _report(self) -> None:
        for _, peer, _, _ in self._dropped:
            self._forget(peer)
        self.events.extend(map(self._dropped.pop, repeat(0, len(self._dropped))))

    def _forget(self, peer: Peer) -> None:
        peer.forget()
        self._dialler.forget(peer)
        self._peers.discard(peer)

    def poll(self, timeout: float = 0) -> list[Event]:
        """Send what is queued, wait up to ``timeout`` ms for the first event, then take all there is."""
        if self.selector is None:
            return []
        if self._dropped:
            self._report()
        if self._reading is not None:
            self._reading.cut()
            self._reading = None
        if self._accepted:
            self._admit()
        self.flush()
        if self._resume and self.clock() >= self._resume and self._listener is not None:
            with contextlib.suppress(KeyError):  # a Ctrl-C came between the two, the last time
                self.selector.register(self._listener, selectors.EVENT_READ, None)
            self._resume = 0.0
        seconds = max(timeout, 0) / 1000
        if self._dialler.waiting:
            seconds = min(seconds, self._dialler.try_others())
        if self.events or self._late:
            seconds = 0
        if self.selector.get_map():
            ready = self.selector.select(seconds)
        else:  # a Client that is not connected; Windows' select() refuses to wait for nothing
            ready = []
            time.sleep(seconds)
        todo: deque[tuple[Peer | Attempt | None, int]] = deque((key.data, mask) for key, mask in ready)
        if self._late:  # who was not reached in the last poll goes first in this one, in the same order
            todo = deque(sorted(todo, key=lambda turn: self._late.get(turn[0], len(self._late))))
        end = self.clock() + self.limits.io_time / 1000
        read: dict[Peer, int] = {}  # what came from those that sent more than one chunk
        chunks: dict[Peer, int] = {}  # how much of theirs is read next
        while todo:
            peer, mask = todo.popleft()
            if peer is None:
                self._accept(end)
            elif isinstance(peer, Attempt):
                self._dialler.finished(peer)
            else:
                if mask & selectors.EVENT_WRITE and peer.state != GONE:
                    peer.write()
                # one chunk each, then round again: a flood on one peer leaves time for the others
                if mask & selectors.EVENT_READ:
                    before = len(self.events)
                    chunk = chunks.get(peer, _FIRST_CHUNK)
                    self._reading = peer
                    more = peer.read(chunk)
                    self._reading = None
                    if more:
                        cost = _PACKET_COST * (len(self.events) - before)
                        read[peer] = read.get(peer, 0) + chunk + cost
                        if read[peer] < self._share:
                            chunks[peer] = CHUNK if cost < chunk else _FIRST_CHUNK
                            todo.append((peer, selectors.EVENT_READ))
            if self.clock() > end:
                break
        self._late = {peer: place for place, (peer, _) in enumerate(todo)}
        # no call stands between these two, and so no Ctrl-C
        events, self.events = self.events, []; return events  # fmt: skip  # noqa: E702

    def _accept(self, end: float) -> None:
        assert self._listener is not None and self.selector is not None
        for _ in range(_BACKLOG):
            try:
                self._accepted.extend(starmap(self._listener.accept, ((),)))  # accepted and kept in one step
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._resume = self.clock() + _PAUSE
                    self.selector.unregister(self._listener)
                return
            self._admit()
            if self.clock() > end:  # a hundred take some ms
                return

    def _admit(self) -> None:
        """Open the connection that was accepted; done again if Ctrl-C comes before its end."""
        accepted = self._accepted[0]
        if isinstance(accepted, tuple):
            sock, address = accepted
            if address is None:  # macOS, where accept() hands over a connection that was reset already
                sock.close()
                del self._accepted[0]
                return
            host = address[0].removeprefix("::ffff:")  # an IPv4 address on a socket that takes both
            peer = Peer(self, (host, address[1]))
            peer.adopt(sock, peer.address)
            self._accepted[0] = accepted = peer
        self._peers.add(accepted)
        accepted.open()
        del self._accepted[0]

    def flush(self) -> None:
        """Send what is queued, as far as the network takes it now."""
        if self.writers:
            for peer in self.writers:
                if peer.state in (OPEN, CLOSING):
                    peer.write()
            self.writers.clear()

    def part(self, peer: Peer) -> None:
        """Send what is queued for a peer, before its socket is closed."""
        peer.write()
        peer.drain()

    def close(self) -> None:
        """Send what is queued and free the port; harmless when repeated."""
        if self.selector is None:
            return
        self.flush()
        for peer in list(self._peers):
            if peer.state in (OPEN, CLOSING):  # and not CLOSED, where Ctrl-C came before it was forgotten
                self.part(peer)
        self.abandon()

    def abandon(self) -> None:
        """Close the sockets and send nothing."""
        if self.selector is None:
            return
        # first: to unregister a socket here would do it in the parent, too, whose epoll is the same
        self.selector.close()
        self.selector = None
        for peer in list(self._peers):
            self._forget(peer)
        if self._listener is not None:
            self._listener.close()
        self.events.clear()


def _listen(host: str, port: int, timeout: float) -> socket.socket:
    attempts: list[Resolved] = []
    if host == "":
        if socket.has_dualstack_ipv6():
            attempts.append((socket.AF_INET6, ("::", port)))
        attempts.append((socket.AF_INET, ("0.0.0.0", port)))
    else:
        attempts = resolve(host, port, timeout, kind=socket.SOCK_STREAM, lowest=0)
        if any(address[0].startswith("127.") for _, address in attempts):
            # of what 'localhost' means: who connects to 127.0.0.1 must get in, and connect('localhost') tries both
            attempts.sort(key=lambda attempt: attempt[0] == socket.AF_INET6)
    failure = OSError(errno.EADDRNOTAVAIL, "no address")
    for family, address in attempts:
        sock = None
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
            # on Windows it would let two servers share a port; elsewhere it frees the port at once after a restart
            if os.name == "posix":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "" else 1)
            sock.bind(address)  # all of it: a link-local address has a number for its interface
            sock.listen(_BACKLOG)
            sock.setblocking(False)
            return sock
        except OSError as error:
            if sock is not None:
                sock.close()
            failure = error
            if error.errno == errno.EADDRINUSE:
                break
    raise listen_error((host, port), failure) from None
