"""TCP, by the standard library's sockets and selectors: works wherever Python does.

A packet is its length in 4 bytes (big-endian), then its bytes. Everything arrives reliably and in order, whatever
delivery was registered, and channels do not exist.
"""

import contextlib
import errno
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import repeat, starmap
from typing import Any

from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits
from pygnetic.network import base
from pygnetic.network.base import CLOSED, OPENED, PACKET, Event, check_port, listen_error, never_opened, resolve

__all__ = ["Adapter", "Peer"]

_INFO = {"channel": 0}
_LENGTH = 4
_CHUNK = 65536
# The first time in a poll, and of those that send very small packets: 13,000 fit into a chunk, and take 10 ms.
_FIRST_CHUNK = 16384
# What a packet takes beside its bytes (an event here, a place in the backlog there).
_PACKET_COST = 100
# What a packet takes in a queue beside its bytes: the object, and its place in the list.
_QUEUED_COST = 64
# A queue as long as Linux' default (SOMAXCONN before 5.4); more are taken in the next poll.
_BACKLOG = 128
# Without a free descriptor accept() fails and the listener stays readable: look again after this many seconds.
_PAUSE = 0.2
_AGAIN = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.EINPROGRESS, errno.EALREADY)
# After so many seconds the next address of a host is tried beside the one before (RFC 8305, section 5): where IPv6
# leads into nothing, IPv4 serves.
_HEAD_START = 0.25

_NEW, _OPEN, _CLOSING, _CLOSED = range(4)
_READ, _READ_AND_WRITE = selectors.EVENT_READ, selectors.EVENT_READ | selectors.EVENT_WRITE


class _Attempt:
    """One address of a peer that is being tried."""

    __slots__ = ("address", "peer", "sock")

    _state = _NEW

    def __init__(self, peer: "Peer", sock: socket.socket) -> None:
        self.peer = peer
        self.sock = sock
        self.address = peer.address


class Peer:
    """One TCP connection."""

    __slots__ = (
        "_adapter", "_addresses", "_attempts", "_in", "_mask", "_out", "_sock", "_state",
        "address", "taking", "unsent",
    )  # fmt: skip

    def __init__(self, adapter: "Adapter", address: tuple[str, int]) -> None:
        self.address = address
        self.unsent = 0
        self._adapter = adapter
        self._addresses: list[Any] = []
        self._attempts: list[_Attempt] = []
        self._sock: socket.socket | None = None
        self._state = _NEW
        self._mask = 0  # what the selector watches; -1 while it is being told
        # What came of a packet that is not whole yet, how many bytes it needs to be (or to tell how many), and what is
        # whole and no event yet. Replaced as a whole, so that Ctrl-C never finds a half of it.
        self._in: tuple[list[bytes], int, Iterator[Event]] = ([], _LENGTH, iter(()))
        # Frames. What send() returns is put behind them in the same step, and after that both go: a number that is
        # found here is the bytes before it that were sent when Ctrl-C came.
        self._out: list[Any] = []
        self.taking: Iterator[bytes] = iter(())

    def send(
        self, packet: bytes, *, channel: int = 0, reliable: bool = True, ordered: bool = True, urgent: bool = False
    ) -> bool:
        """Queue a packet; False before OPENED, after close and over the unsent limit."""
        adapter = self._adapter
        framed = adapter.framed
        if packet is not framed[0]:  # a broadcast sends the same to many
            framed = adapter.framed = packet, len(packet).to_bytes(_LENGTH, "big") + packet
        frame = framed[1]
        unsent = self.unsent + len(frame) + _QUEUED_COST
        if self._state != _OPEN:
            return False
        if unsent > adapter.limits.unsent and base.over_limit(unsent, adapter.limits.unsent, urgent):
            return False
        out = self._out
        if not out:
            adapter.writers.append(self)
        self.unsent = unsent
        taking = self.taking = iter((frame,))
        out.extend(taking)
        return True

    def disconnect(self) -> None:
        """Close; what was sent before still arrives."""
        if self._state == _OPEN:
            self._adapter.writers.append(self)
            self._state = _CLOSING
        elif self._state == _NEW:
            self.abort()

    def break_off(self, packet: bytes) -> None:
        """Close, and have a packet arrive that tells why: what was not begun to be written is dropped."""
        if self._state == _OPEN:
            if not all(type(frame) is bytes for frame in self._out):
                _settle(self._out)
            del self._out[1:]  # the first may be the rest of a packet
            self.unsent = sum(len(frame) + _QUEUED_COST for frame in self._out)
            self.send(packet, urgent=True)
        self.disconnect()

    def abort(self) -> None:
        """Close now."""
        if self._state == _CLOSING:
            self._adapter.part(self)
        if self._state != _CLOSED:
            self._adapter.drop(self, never_opened(self._state != _NEW))


class Adapter:
    """One selector, and one socket a peer."""

    title = "TCP (socket)"
    other = "enet"  # the adapter that the server may be on, when nobody answers over this one
    largest_unreliable = None

    def __init__(self, address: tuple[str, int] | None = None, conn_limit: int = 4, *, limits: Limits) -> None:
        self.clock: Callable[[], float] = time.monotonic
        self.limits = limits
        self.address: tuple[str, int] | None = None
        self.writers: list[Peer] = []  # have something to send that the selector does not know of
        self.framed: tuple[bytes | None, bytes] = None, b""  # the last packet sent, and it with its length before it
        self._events: list[Event] = []
        # What Ctrl-C may have interrupted, and the next poll settles first:
        self._accepted: list[Any] = []  # a socket with its address that was accepted, then the peer that it is
        self._reading: Peer | None = None
        self._dropped: list[Event] = []  # CLOSED of peers that are to be forgotten
        self._peers: set[Peer] = set()
        self._listener: socket.socket | None = None
        self._resume = 0.0
        # more of one peer's in one poll would not fit into its backlog
        self._share = limits.backlog // 2
        self._late: dict[Peer | _Attempt | None, int] = {}
        self._waiting: dict[Peer, float] = {}  # when the next address is tried
        self._selector: selectors.BaseSelector | None = None
        if address is not None:
            host, port = address
            check_port(host, port, 0)
            self._listener = _listen(host, port, limits.resolve_time)
            name = self._listener.getsockname()
            self.address = (name[0], name[1])
        self._selector = selectors.DefaultSelector()
        if self._listener is not None:
            self._selector.register(self._listener, selectors.EVENT_READ, None)

    def connect(self, host: str, port: int) -> Peer:
        """Start to connect to the addresses of a host: the first that opens is taken.

        :raises OSError: the host does not resolve, or the port is not a number from 1 to 65535.
        """
        if self._selector is None:
            raise OSError(errno.EBADF, "this adapter is closed")
        peer = Peer(self, (host, port))
        peer._addresses = resolve(host, port, self.limits.resolve_time, kind=socket.SOCK_STREAM)
        self._peers.add(peer)
        self._try_next(peer)
        return peer

    def _try_next(self, peer: Peer) -> None:
        """Begin with the next address that one can begin with."""
        assert self._selector is not None
        self._waiting[peer] = self.clock()  # so that it is done again if Ctrl-C comes
        while peer._addresses:
            family, address = peer._addresses.pop(0)
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
            except OSError:
                continue
            sock.setblocking(False)
            code = sock.connect_ex(address)
            if code == 0 or code in _AGAIN:
                peer.address = (address[0], address[1])
                attempt = _Attempt(peer, sock)
                peer._attempts.append(attempt)
                self._selector.register(sock, selectors.EVENT_WRITE, attempt)
                break
            sock.close()
        else:
            if not peer._attempts:
                self.drop(peer, DisconnectReason.UNREACHABLE)
        if peer._addresses:
            self._waiting[peer] = self.clock() + _HEAD_START
        else:
            self._waiting.pop(peer, None)

    def _try_others(self) -> float:
        """Try the next addresses where it is time to; return the seconds until it is again."""
        now = self.clock()
        for peer in [peer for peer, due in self._waiting.items() if due <= now]:
            self._try_next(peer)
        return max(min(self._waiting.values(), default=now) - now, 0.0)

    def _watch(self, peer: Peer, mask: int) -> None:
        if mask == peer._mask or self._selector is None or peer._sock is None:
            return
        selector, sock = self._selector, peer._sock
        before, peer._mask = peer._mask, -1
        if before < 0:  # a Ctrl-C came: it may be registered for anything
            before = 0
            with contextlib.suppress(KeyError):
                selector.unregister(sock)
        if before and mask:
            selector.modify(sock, mask, peer)
        elif mask:
            selector.register(sock, mask, peer)
        elif before:
            selector.unregister(sock)
        peer._mask = mask

    def drop(self, peer: Peer, reason: DisconnectReason) -> None:
        """Close a peer's socket and report it, once."""
        if peer._state != _CLOSED:
            self._dropped.append((CLOSED, peer, b"", reason))
            self._report()

    def _report(self) -> None:
        for _, peer, _, _ in self._dropped:
            self._forget(peer)
        self._events.extend(map(self._dropped.pop, repeat(0, len(self._dropped))))

    def _forget(self, peer: Peer) -> None:
        peer._state = _CLOSED
        peer._out, peer._in, peer.unsent = [], ([], _LENGTH, iter(())), 0
        self._release(peer)
        self._peers.discard(peer)

    def _release(self, peer: Peer) -> None:
        self._watch(peer, 0)
        if peer._sock is not None:
            peer._sock.close()
            peer._sock = None
        self._waiting.pop(peer, None)
        for attempt in peer._attempts:
            self._give_up(attempt)
        peer._attempts = []

    def _give_up(self, attempt: _Attempt) -> None:
        if self._selector is not None:
            with contextlib.suppress(KeyError, ValueError):  # done already, before a Ctrl-C
                self._selector.unregister(attempt.sock)
        attempt.sock.close()

    def poll(self, timeout: float = 0) -> list[Event]:
        """Send what is queued, wait up to ``timeout`` ms for the first event, then take all there is."""
        if self._selector is None:
            return []
        if self._dropped:
            self._report()
        if self._reading is not None:
            self._frames(self._reading)
            self._reading = None
        if self._accepted:
            self._admit()
        self.flush()
        if self._resume and self.clock() >= self._resume and self._listener is not None:
            with contextlib.suppress(KeyError):  # a Ctrl-C came between the two, the last time
                self._selector.register(self._listener, selectors.EVENT_READ, None)
            self._resume = 0.0
        seconds = max(timeout, 0) / 1000
        if self._waiting:
            seconds = min(seconds, self._try_others())
        if self._events or self._late:
            seconds = 0
        if self._selector.get_map():
            ready = self._selector.select(seconds)
        else:  # a Client that is not connected; Windows' select() refuses to wait for nothing
            ready = []
            time.sleep(seconds)
        todo: deque[tuple[Any, int]] = deque((key.data, mask) for key, mask in ready)
        if self._late:  # who was not reached in the last poll goes first in this one, in the same order
            todo = deque(sorted(todo, key=lambda turn: self._late.get(turn[0], len(self._late))))
        end = self.clock() + self.limits.io_time / 1000
        read: dict[Peer, int] = {}  # what came from those that sent more than one chunk
        chunks: dict[Peer, int] = {}  # how much of theirs is read next
        while todo:
            peer, mask = todo.popleft()
            if peer is None:
                self._accept(end)
            elif peer._state == _NEW:
                self._connected(peer)
            else:
                if mask & selectors.EVENT_WRITE and peer._state != _CLOSED:
                    self._write(peer)
                # one chunk each, then round again: a flood on one peer leaves time for the others
                if mask & selectors.EVENT_READ:
                    before = len(self._events)
                    chunk = chunks.get(peer, _FIRST_CHUNK)
                    if self._read(peer, chunk):
                        cost = _PACKET_COST * (len(self._events) - before)
                        read[peer] = read.get(peer, 0) + chunk + cost
                        if read[peer] < self._share:
                            chunks[peer] = _CHUNK if cost < chunk else _FIRST_CHUNK
                            todo.append((peer, selectors.EVENT_READ))
            if self.clock() > end:
                break
        self._late = {peer: place for place, (peer, _) in enumerate(todo)}
        # no call stands between these two, and so no Ctrl-C
        events, self._events = self._events, []; return events  # fmt: skip  # noqa: E702

    def _accept(self, end: float) -> None:
        assert self._listener is not None and self._selector is not None
        for _ in range(_BACKLOG):
            try:
                self._accepted.extend(starmap(self._listener.accept, ((),)))  # accepted and kept in one step
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._resume = self.clock() + _PAUSE
                    self._selector.unregister(self._listener)
                return
            self._admit()
            if self.clock() > end:  # a hundred take some ms
                return

    def _admit(self) -> None:
        """Open the connection that was accepted; done again if Ctrl-C comes before its end."""
        if isinstance(self._accepted[0], tuple):
            sock, address = self._accepted[0]
            if address is None:  # macOS, where accept() hands over a connection that was reset already
                sock.close()
                del self._accepted[0]
                return
            host = address[0].removeprefix("::ffff:")  # an IPv4 address on a socket that takes both
            peer = Peer(self, (host, address[1]))
            peer._sock = sock
            self._accepted[0] = peer
        peer = self._accepted[0]
        self._peers.add(peer)
        peer._sock.setblocking(False)
        self._open(peer)
        del self._accepted[0]

    def _connected(self, attempt: _Attempt) -> None:
        """An attempt has come to its end; done again if Ctrl-C comes before the end of this."""
        peer = attempt.peer
        if attempt not in peer._attempts:
            return  # another address has just opened
        if attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._waiting[peer] = self.clock()
            self._give_up(attempt)
            peer._attempts.remove(attempt)
            self._try_next(peer)
        else:
            for other in peer._attempts:
                if other is not attempt:
                    self._give_up(other)
            peer._addresses = []
            self._waiting.pop(peer, None)
            peer._sock, peer.address, peer._mask = attempt.sock, attempt.address, selectors.EVENT_WRITE
            self._open(peer)
            peer._attempts = []

    def _open(self, peer: Peer) -> None:
        assert peer._sock is not None
        with contextlib.suppress(OSError):  # the other end may be gone already; reading will tell
            # a game's packets are small and urgent: do not wait for more to fill a segment (Nagle, RFC 896)
            peer._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer._state = _OPEN
        self._events.append((OPENED, peer, b"", None))
        self._watch(peer, selectors.EVENT_READ)

    def _read(self, peer: Peer, chunk: int = _CHUNK) -> bool:
        """Read so many bytes; True if there may be more."""
        if peer._sock is None:
            return False
        self._reading = peer
        chunks = peer._in[0]
        try:
            chunks.extend(map(peer._sock.recv, (chunk,)))  # read and kept in one step
        except OSError as error:
            if error.errno not in _AGAIN:
                self.drop(peer, DisconnectReason.LOST)
            self._reading = None
            return False
        size = len(chunks[-1])
        if peer._state == _OPEN:
            self._frames(peer)
        elif size:
            chunks.clear()
        else:
            self.drop(peer, DisconnectReason.LOST)
        self._reading = None
        return size == chunk  # a short read has emptied the socket: saves the call that says so

    def _frames(self, peer: Peer) -> None:
        """Make events of what was read; done again if Ctrl-C comes before its end."""
        chunks, whole, _ = peer._in
        if chunks:
            if not chunks[-1]:
                self.drop(peer, DisconnectReason.LOST)
                return
            if whole > _LENGTH and sum(map(len, chunks)) < whole:
                return  # a big packet is copied once, and not again with each chunk
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            start, end, whole = 0, len(data), _LENGTH
            found: list[Event] = []
            while end - start >= _LENGTH:
                size = int.from_bytes(data[start : start + _LENGTH], "big")
                if not 0 < size <= self.limits.packet_size:
                    whole = 0
                    break
                if end - start - _LENGTH < size:
                    whole += size
                    break
                start += _LENGTH
                found.append((PACKET, peer, data[start : start + size], _INFO))
                start += size
            peer._in = [data[start:]] if start < end else [], whole, iter(found)
        self._events.extend(peer._in[2])
        if not whole:
            self.drop(peer, DisconnectReason.PROTOCOL_ERROR)

    def _write(self, peer: Peer) -> None:
        out, sock = peer._out, peer._sock
        if out and sock is not None:
            try:
                data = out[0] if len(out) == 1 else b"".join(out)
            except TypeError:  # there is a number
                _settle(out)
                data = b"".join(out)
            try:
                out.extend(map(sock.send, (data,)))
                sent = out[-1]
            except OSError as error:
                # broken: what came before is still to be read, and reading finds the end
                sent = 0 if error.errno in _AGAIN else len(data)
            if sent < len(data):
                out[:] = (data[sent:],)
                peer.unsent = len(data) - sent + _QUEUED_COST
                self._watch(peer, _READ_AND_WRITE)
                return
            out.clear()
        peer.unsent = 0
        if peer._mask != _READ:
            self._watch(peer, _READ)
        if peer._state == _CLOSING and peer._sock is not None:
            # the other end reads to here, then closes; its end of file is our CLOSED
            with contextlib.suppress(OSError):
                peer._sock.shutdown(socket.SHUT_WR)

    def flush(self) -> None:
        """Send what is queued, as far as the network takes it now."""
        if self.writers:
            for peer in self.writers:
                if peer._state in (_OPEN, _CLOSING):
                    self._write(peer)
            self.writers.clear()

    def part(self, peer: Peer) -> None:
        """Send what is queued for a peer, before its socket is closed."""
        self._write(peer)
        if peer._sock is not None:
            with contextlib.suppress(OSError):
                # bytes left unread would make its close() send a reset, which overtakes what was just sent
                for _ in range(4):
                    if not peer._sock.recv(_CHUNK):
                        break

    def close(self) -> None:
        """Send what is queued and free the port; harmless when repeated."""
        if self._selector is None:
            return
        self.flush()
        for peer in list(self._peers):
            if peer._state in (_OPEN, _CLOSING):  # and not CLOSED, where Ctrl-C came before it was forgotten
                self.part(peer)
        self.abandon()

    def abandon(self) -> None:
        """Close the sockets and send nothing."""
        if self._selector is None:
            return
        # first: to unregister a socket here would do it in the parent, too, whose epoll is the same
        self._selector.close()
        self._selector = None
        for peer in list(self._peers):
            self._forget(peer)
        if self._listener is not None:
            self._listener.close()
        self._events.clear()


def _settle(out: list[Any]) -> None:
    """Take what was sent off a queue in which Ctrl-C has left how much that was."""
    left = b""
    for item in out:
        left = left[item:] if isinstance(item, int) else left + item
    out[:] = (left,) if left else ()


def _listen(host: str, port: int, timeout: float) -> socket.socket:
    attempts: list[Any] = []
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
