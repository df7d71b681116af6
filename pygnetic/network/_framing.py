"""One TCP connection, and how its stream is cut into packets.

A packet is its length in 4 bytes (big-endian), then its bytes.
"""

import contextlib
import errno
import selectors
import socket
from collections.abc import Iterable, Iterator
from typing import Protocol

from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits
from pygnetic.network import base
from pygnetic.network.base import OPENED, PACKET, Event, Info, never_opened

__all__: list[str] = []

_INFO: Info = {"channel": 0}
_LENGTH = 4
CHUNK = 65536
# What a packet takes in a queue beside its bytes: the object, and its place in the list.
_QUEUED_COST = 64
AGAIN = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.EINPROGRESS, errno.EALREADY)

NEW, OPEN, CLOSING, CLOSED = range(4)
_READ, _READ_AND_WRITE = selectors.EVENT_READ, selectors.EVENT_READ | selectors.EVENT_WRITE


class Loop(Protocol):
    """What a peer asks of the adapter that has it."""

    limits: Limits
    #: None once the adapter is closed
    selector: selectors.BaseSelector | None
    #: what the next poll returns
    events: list[Event]
    #: have something to send that the selector does not know of
    writers: "list[Peer]"
    #: the last packet sent, and it with its length before it
    framed: tuple[bytes | None, bytes]

    def drop(self, peer: "Peer", reason: DisconnectReason) -> None:
        """Close a peer's socket and report it, once."""

    def part(self, peer: "Peer") -> None:
        """Send what is queued for a peer, before its socket is closed."""


class Peer:
    """One TCP connection."""

    __slots__ = ("_adapter", "_in", "_mask", "_out", "_sock", "address", "state", "taking", "unsent")

    def __init__(self, adapter: Loop, address: tuple[str, int]) -> None:
        self.address = address
        self.unsent = 0
        self.state = NEW
        self._adapter = adapter
        self._sock: socket.socket | None = None
        self._mask = 0  # what the selector watches; -1 while it is being told
        # What came of a packet that is not whole yet, how many bytes it needs to be (or to tell how many), and what is
        # whole and no event yet. Replaced as a whole, so that Ctrl-C never finds a half of it.
        self._in: tuple[list[bytes], int, Iterator[Event]] = ([], _LENGTH, iter(()))
        # Frames. What sock.send() returns is put behind them in the same step, and after that both go: a number that
        # is found here, where the type knows of none, is the bytes before it that were sent when Ctrl-C came.
        self._out: list[bytes] = []
        self.taking: Iterator[object] = iter(())

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
        if self.state != OPEN:
            return False
        if unsent > adapter.limits.unsent and base.over_limit(unsent, adapter.limits.unsent, urgent):
            return False
        out = self._out
        if not out:
            adapter.writers.append(self)
        self.unsent = unsent
        taking = iter((frame,))
        self.taking = taking
        out.extend(taking)
        return True

    def disconnect(self) -> None:
        """Close; what was sent before still arrives."""
        if self.state == OPEN:
            self._adapter.writers.append(self)
            self.state = CLOSING
        elif self.state == NEW:
            self.abort()

    def break_off(self, packet: bytes) -> None:
        """Close, and have a packet arrive that tells why: what was not begun to be written is dropped."""
        if self.state == OPEN:
            frames = _unwritten(self._out)[:1]  # it may be the rest of a packet
            self._out[:] = frames
            self.unsent = sum(len(frame) + _QUEUED_COST for frame in frames)
            self.send(packet, urgent=True)
        self.disconnect()

    def abort(self) -> None:
        """Close now."""
        if self.state == CLOSING:
            self._adapter.part(self)
        if self.state != CLOSED:
            self._adapter.drop(self, never_opened(self.state != NEW))

    # what the adapter does with it

    def adopt(self, sock: socket.socket, address: tuple[str, int], mask: int = 0) -> None:
        """Take a connected socket.

        :param mask: what the selector watches of it already.
        """
        self._sock, self.address, self._mask = sock, address, mask

    def open(self) -> None:
        """Report OPENED, and read from now on."""
        assert self._sock is not None
        self._sock.setblocking(False)
        with contextlib.suppress(OSError):  # the other end may be gone already; reading will tell
            # a game's packets are small and urgent: do not wait for more to fill a segment (Nagle, RFC 896)
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.state = OPEN
        self._adapter.events.append((OPENED, self, b"", None))
        self.watch(_READ)

    def watch(self, mask: int) -> None:
        """Have the selector watch for reading, for writing, or for both."""
        selector, sock = self._adapter.selector, self._sock
        if mask == self._mask or selector is None or sock is None:
            return
        before, self._mask = self._mask, -1
        if before < 0:  # a Ctrl-C came: it may be registered for anything
            before = 0
            with contextlib.suppress(KeyError):
                selector.unregister(sock)
        if before and mask:
            selector.modify(sock, mask, self)
        elif mask:
            selector.register(sock, mask, self)
        elif before:
            selector.unregister(sock)
        self._mask = mask

    def read(self, chunk: int = CHUNK) -> bool:
        """Read at most this many bytes; True if there may be more."""
        if self._sock is None:
            return False
        chunks = self._in[0]
        try:
            chunks.extend(map(self._sock.recv, (chunk,)))  # read and kept in one step
        except OSError as error:
            if error.errno not in AGAIN:
                self._adapter.drop(self, DisconnectReason.LOST)
            return False
        size = len(chunks[-1])
        if self.state == OPEN:
            self.cut()
        elif size:
            chunks.clear()
        else:
            self._adapter.drop(self, DisconnectReason.LOST)
        return size == chunk  # a short read has emptied the socket: saves the call that says so

    def cut(self) -> None:
        """Make events of what was read; done again if Ctrl-C comes before its end."""
        chunks, whole, _ = self._in
        if chunks:
            if not chunks[-1]:
                self._adapter.drop(self, DisconnectReason.LOST)
                return
            if whole > _LENGTH and sum(map(len, chunks)) < whole:
                return  # a big packet is copied once, and not again with each chunk
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            start, end, whole = 0, len(data), _LENGTH
            max_size = self._adapter.limits.packet_size
            found: list[Event] = []
            while end - start >= _LENGTH:
                size = int.from_bytes(data[start : start + _LENGTH], "big")
                if not 0 < size <= max_size:
                    whole = 0
                    break
                if end - start - _LENGTH < size:
                    whole += size
                    break
                start += _LENGTH
                found.append((PACKET, self, data[start : start + size], _INFO))
                start += size
            self._in = [data[start:]] if start < end else [], whole, iter(found)
        self._adapter.events.extend(self._in[2])
        if not whole:
            self._adapter.drop(self, DisconnectReason.PROTOCOL_ERROR)

    def write(self) -> None:
        """Write what is queued, as far as the network takes it now."""
        out, sock = self._out, self._sock
        if out and sock is not None:
            try:
                data = b"".join(out)  # one frame is not copied
            except TypeError:  # there is a number
                out[:] = _unwritten(out)
                data = b"".join(out)
            try:
                out.extend(map(sock.send, (data,)))  # type: ignore[arg-type]
                sent: int = out[-1]  # type: ignore[assignment]
            except OSError as error:
                # broken: what came before is still to be read, and reading finds the end
                sent = 0 if error.errno in AGAIN else len(data)
            if sent < len(data):
                out[:] = (data[sent:],)
                self.unsent = len(data) - sent + _QUEUED_COST
                self.watch(_READ_AND_WRITE)
                return
            out.clear()
        self.unsent = 0
        if self._mask != _READ:
            self.watch(_READ)
        if self.state == CLOSING and self._sock is not None:
            # the other end reads to here, then closes; its end of file is our CLOSED
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)

    def drain(self) -> None:
        """Throw away what came: bytes left unread would make close() send a reset, which overtakes what was sent."""
        if self._sock is not None:
            with contextlib.suppress(OSError):
                for _ in range(4):
                    if not self._sock.recv(CHUNK):
                        break

    def forget(self) -> None:
        """Close the socket, and keep nothing."""
        self.state = CLOSED
        self._out, self._in, self.unsent = [], ([], _LENGTH, iter(())), 0
        self.watch(0)
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def _unwritten(out: Iterable[bytes | int]) -> list[bytes]:
    """Return what is left of a queue, in which Ctrl-C may have left how many bytes were sent."""
    left: list[bytes] = []
    for item in out:
        if isinstance(item, int):
            rest = b"".join(left)[item:]
            left = [rest] if rest else []
        else:
            left.append(item)
    return left
