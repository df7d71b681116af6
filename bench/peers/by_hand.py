"""What a good programmer writes with pyenet and msgpack and no library between: names bound, nothing needless."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import enet
import msgpack

__all__ = ["echo"]

HOST = b"127.0.0.1"
RELIABLE = enet.PACKET_FLAG_RELIABLE
CONNECT, RECEIVE = enet.EVENT_TYPE_CONNECT, enet.EVENT_TYPE_RECEIVE


def connected() -> tuple[Any, Any, Any]:
    """Return a server's host, a client's host, and the client's peer."""
    server = enet.Host(enet.Address(HOST, 0), 1, 1, 0, 0)
    client = enet.Host(None, 1, 1, 0, 0)
    peer = client.connect(enet.Address(HOST, server.address.port), 1)
    deadline = time.monotonic() + 5
    while peer.state != enet.PEER_STATE_CONNECTED and time.monotonic() < deadline:
        client.service(1)
        server.service(1)
    return server, client, peer


def echo(per_tick: int, ticks: int, reuse_packer: bool = False, batch: bool = False) -> Iterator[float | None]:
    """Send chat messages to a server in the same process, which sends each back; us of CPU an echo.

    :param reuse_packer: one ``msgpack.Packer`` for all instead of ``packb``.
    :param batch: join what one tick sends into one packet.
    """
    server, client, peer = connected()
    pack = msgpack.Packer().pack if reuse_packer else msgpack.packb
    tick = batched_tick if batch else plain_tick
    yield None
    while True:
        begin = time.process_time()
        for _ in range(ticks):
            tick(server, client, peer, pack, per_tick)
        yield (time.process_time() - begin) / (ticks * per_tick) * 1e6


def plain_tick(server: Any, client: Any, peer: Any, pack: Any, per_tick: int) -> None:
    """One packet for each message."""
    unpack, make_packet, send = msgpack.unpackb, enet.Packet, peer.send
    for _ in range(per_tick):
        send(0, make_packet(pack((2, "Tom", "Test message")), RELIABLE))
    client.flush()
    echoed = 0
    while echoed < per_tick:
        event = server.service(0)
        while event:
            if event.type == RECEIVE:
                _, player, text = unpack(event.packet.data)
                event.peer.send(0, make_packet(pack((2, player, text)), RELIABLE))
            event = server.check_events()
        server.flush()
        event = client.service(0)
        while event:
            if event.type == RECEIVE:
                _, player, text = unpack(event.packet.data)
                echoed += 1
            event = client.check_events()


def batched_tick(server: Any, client: Any, peer: Any, pack: Any, per_tick: int) -> None:
    """One packet for all messages of a tick."""
    unpack, make_packet = msgpack.unpackb, enet.Packet
    messages = []
    for _ in range(per_tick):
        messages.append((2, "Tom", "Test message"))
    peer.send(0, make_packet(pack(messages), RELIABLE))
    client.flush()
    echoed = 0
    while echoed < per_tick:
        event = server.service(0)
        while event:
            if event.type == RECEIVE:
                answers = []
                for _, player, text in unpack(event.packet.data):
                    answers.append((2, player, text))
                event.peer.send(0, make_packet(pack(answers), RELIABLE))
            event = server.check_events()
        server.flush()
        event = client.service(0)
        while event:
            if event.type == RECEIVE:
                for _, _player, _text in unpack(event.packet.data):
                    echoed += 1
            event = client.check_events()
