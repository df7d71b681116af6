"""Small things: starting up, events, and what each limit costs where it can be told apart."""

from __future__ import annotations

import functools
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from bench.runner import environment

__all__ = ["accounting", "decode", "events", "fields", "graph", "intercept", "start"]


def start(code: str, number: int) -> Iterator[float | None]:
    """Start Python to run a line; ms, the best of some."""
    command = [sys.executable, "-c", code]
    subprocess.run(command, env=environment(), check=True)  # writes the .pyc files
    yield None
    while True:
        times = []
        for _ in range(number):
            begin = time.perf_counter()
            subprocess.run(command, env=environment(), check=True)
            times.append(time.perf_counter() - begin)
        yield min(times) * 1e3


def events(on: bool, per_tick: int, ticks: int) -> Iterator[float | None]:
    """Echo with pygame events or without; us of CPU for each message received."""
    from bench.peers.ours import echo

    for value in echo(per_tick, ticks, events=on):
        yield value and value / 2  # an echo is received twice


def nanoseconds(function: Callable[[], object], calls: int) -> Iterator[float | None]:
    yield None
    while True:
        begin = time.process_time()
        for _ in range(calls):
            function()
        yield (time.process_time() - begin) / calls * 1e9


# a packet of 50 chat messages; per message
BATCH = 50


def _batch() -> bytes:
    import msgpack

    packed: bytes = msgpack.packb([(2, "Tom", "Test message")] * BATCH)
    return packed


def decode(codec: str, limited: bool, calls: int) -> Iterator[float | None]:
    """Decode a packet of 50 chat messages: the codec alone, or with the limits; ns a message."""
    import msgpack
    import msgspec

    from pygnetic import serialization
    from pygnetic.limits import DEFAULT

    packet = _batch()
    bare = {"msgpack": msgpack.unpackb, "msgspec": msgspec.msgpack.Decoder().decode}
    function = functools.partial(serialization.get_adapter(codec).unpack, packet, DEFAULT)
    if not limited:
        function = functools.partial(bare[codec], packet)
    for value in nanoseconds(function, calls // BATCH):
        yield value and value / BATCH


def fields(limited: bool, calls: int) -> Iterator[float | None]:
    """Send a chat message into its box: as it is, or with its fields and size looked at; ns."""
    import msgspec

    from bench.peers.ours import chat_factory
    from pygnetic._core.compiled import encoder
    from pygnetic.limits import DEFAULT

    factory = chat_factory("msgspec")
    if limited:
        encode: Callable[..., bytes] = functools.partial(
            encoder(factory.get_by_name("chat_msg"), 2, factory.s_adapter.pack), DEFAULT, "Tom", "Test message"
        )
    else:
        pack = msgspec.msgpack.Encoder().encode

        def encode_bare(player: Any, msg: Any) -> bytes:
            return pack((2, player, msg))

        encode = functools.partial(encode_bare, "Tom", "Test message")
    yield from nanoseconds(encode, calls)


def accounting(counted: bool, calls: int) -> Iterator[float | None]:
    """Make an ENet packet and let it go: with its bytes counted as unsent, or not; ns."""
    import enet

    freed: list[int] = []
    data = bytes(100)

    def make() -> None:
        packet = enet.Packet(data, enet.PACKET_FLAG_RELIABLE)
        if counted:
            packet.set_free_callback(functools.partial(freed.append, len(data)))
            if len(freed) > 64:
                freed.clear()

    yield from nanoseconds(make, calls)


def intercept(calls: int) -> Iterator[float | None]:
    """Look at a datagram with one 19-byte message before ENet does; ns."""
    from pygnetic.network.enet_filter import DatagramFilter

    class Address:
        host, port = "127.0.0.1", 1

    peer = SimpleNamespace(incomingPeerID=0, incomingSessionID=0, mtu=1400, channelCount=64, address=Address)
    look = DatagramFilter(
        lambda address, data: None, listening=True, packet_limit=65536, unreliable_limit=1200, channels=64
    )
    look.opened(peer, lambda: 0)
    message = b"\x93\x02\xa3Tom\xacTest message"
    datagram = b"\x80\x00\x00\x00\x86\x00\x00\x01" + len(message).to_bytes(2, "big") + message
    assert not look.intercept(Address, datagram) and not look.dropped
    yield from nanoseconds(functools.partial(look.intercept, Address, datagram), calls)


def graph(server: bool, frames: int, clients: int = 100) -> Iterator[float | None]:
    """Draw the net graph at 320 x 120; ms of CPU a frame.

    :param server: of the server, not of one of the connections.
    """
    import pygame

    import pygnetic as net
    from bench.peers.ours import state_factory
    from pygnetic.netgraph import NetGraph

    pygame.init()
    surface = pygame.Surface((320, 120))
    now = 0.0
    options: dict[str, Any] = {"message_factory": state_factory(), "n_adapter": "memory", "clock": lambda: now}
    with net.Server(handler=net.Handler, conn_limit=clients, **options) as end:
        others = [net.Client(**options) for _ in range(clients)]
        connections: list[Any] = [other.connect(*end.address) for other in others]
        shown = NetGraph(end if server else connections[0])

        def frame() -> float:
            nonlocal now
            now += 1 / 60
            end.broadcast("state", bytes(95))
            for connection in connections:
                connection.net_input(3)
            for each in (end, *others):
                each.update()
            begin = time.process_time()
            shown.draw(surface)
            return time.process_time() - begin

        for _ in range(600):  # until the graph is full
            frame()
        yield None
        while True:
            yield sum(frame() for _ in range(frames)) / frames * 1e3
