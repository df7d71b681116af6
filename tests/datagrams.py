"""Datagrams as ENet writes them, and a filter that reads them."""

import struct
from types import SimpleNamespace
from typing import Any

from pygnetic.network.enet_filter import DatagramFilter

LIMIT = 65536
UNRELIABLE = 1200
MTU = 1400
PIECE = MTU - 28
SLOT, SESSION = 3, 1
HEADER = struct.pack(">HH", 0x8000 | SESSION << 12 | SLOT, 77)
CHANNELS = 16


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A filter with one open connection in SLOT, and what it sent."""

    def __init__(self, listening: bool = True, mtu: int = MTU) -> None:
        self.clock = Clock()
        self.sent: list[tuple[Any, bytes]] = []
        self.filter = DatagramFilter(
            lambda address, data: self.sent.append((address, data)),
            listening=listening,
            packet_limit=LIMIT,
            unreliable_limit=UNRELIABLE,
            channels=CHANNELS,
            clock=self.clock,
        )
        self.in_flight = 0
        self.here = SimpleNamespace(host="127.0.0.1", port=5000)
        self.elsewhere = SimpleNamespace(host="127.0.0.1", port=5001)
        self.filter.opened(
            SimpleNamespace(
                incomingPeerID=SLOT, incomingSessionID=SESSION, mtu=mtu, channelCount=CHANNELS, address=self.here
            ),
            lambda: self.in_flight,
        )

    def delivered(self, channel: int, size: int) -> None:
        self.filter.received(SLOT, channel, self.filter.number(SLOT, channel, size))

    def passes(self, data: bytes, address: Any = None) -> bool:
        before = self.filter.dropped
        swallowed = self.filter.intercept(address or self.here, data)
        assert self.filter.dropped == before + swallowed
        assert self.filter.error is None
        return not swallowed

    def passes_connect(self, data: bytes) -> bool:
        return not self.filter.intercept(self.here, data)

    def passes_later(self, data: bytes) -> bool:
        """An update later, so that what came before it does not count any more."""
        self.filter.turn()
        return self.passes(data)


def acknowledge(number: int = 5) -> bytes:
    return struct.pack(">BBHHH", 1, 0, number, number, 9)


def reliable(size: int = 40, number: int = 1, channel: int = 0) -> bytes:
    return struct.pack(">BBHH", 0x86, channel, number, size) + bytes(size)


def unreliable(size: int = 40, number: int = 0, channel: int = 1) -> bytes:
    return struct.pack(">BBHHH", 0x07, channel, number, 3, size) + bytes(size)


def unsequenced(size: int = 40, channel: int = 1) -> bytes:
    return struct.pack(">BBHHH", 0x49, channel, 0, 3, size) + bytes(size)


def fragment(
    start: int = 1,
    number: int = 0,
    total: int = LIMIT,
    *,
    channel: int = 0,
    count: int | None = None,
    offset: int | None = None,
    size: int | None = None,
    kind: int = 0x88,
    piece: int = PIECE,
) -> bytes:
    offset = number * piece if offset is None else offset
    count = -(-total // piece) if count is None else count
    size = max(0, min(piece, total - offset)) if size is None else size
    fields = (kind, channel, start + number & 0xFFFF, start & 0xFFFF, size, count, number, total, offset)
    return struct.pack(">BBHHHIIII", *fields) + bytes(size)


def connect(cookie: int = 0, channels: int = CHANNELS, connect_id: int = 9, mtu: int = MTU) -> bytes:
    command = struct.pack(">BBHHBB9I", 0x82, 0xFF, 1, 0, 255, 255, mtu, LIMIT, channels, 0, 0, 5000, 2, 2, connect_id)
    return struct.pack(">HH", 0x8FFF, 1) + command + struct.pack(">I", cookie)


def verify_connect(mtu: int = MTU, channels: int = CHANNELS) -> bytes:
    return struct.pack(">BBHHBB9I", 0x83, 0xFF, 1, 0, 1, 1, mtu, LIMIT, channels, 0, 0, 5000, 2, 2, 9)


PING = struct.pack(">BBH", 0x85, 0xFF, 2)
DISCONNECT = struct.pack(">BBHI", 0x84, 0xFF, 2, 0)
