"""Limits.unsent bounds memory, not only payload: a small packet counts as what it really takes."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import pytest
from abuse import memory, needs_proc
from world import HOST, World

from pygnetic import network
from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits
from pygnetic.network import base

LIMIT = 1 << 20


def opened(network_name: str, **limits: Any) -> tuple[Any, Any, Any]:
    """Return two adapters, which nobody polls any more, and the server's open peer."""
    kind = network.adapter_class(network.get_adapter(network_name))
    server, client = kind((HOST, 0), limits=Limits(**limits)), kind(limits=Limits(**limits))
    client.connect(*server.address)
    found: list[Any] = []
    with World(network_name) as world:
        world.pumps += [lambda: found.extend(server.poll()), client.poll]
        world.until(lambda: any(kind == base.OPENED for kind, *_ in found))
    return server, client, found[0][1]


def filled(peer: Any, packet: bytes) -> int:
    """Send until no more is accepted; return how many packets were."""
    accepted = 0
    while peer.send(packet):
        accepted += 1
        assert accepted < LIMIT
    return accepted


@pytest.mark.parametrize("size", [2, 100])
def test_small_packets_count_as_what_they_take(network_name: str, size: int) -> None:
    server, client, peer = opened(network_name)
    accepted = filled(peer, bytes(size))
    assert accepted <= LIMIT // (size + 64)
    assert LIMIT - 1024 - size < peer.unsent <= LIMIT
    server.close()
    client.close()


@needs_proc
def test_what_is_unsent_takes_no_more_memory_than_the_limit_says(network_name: str) -> None:
    server, client, peer = opened(network_name, unsent=8 * LIMIT)
    before = memory()
    filled(peer, b"ab")
    grown = memory() - before
    assert grown < 8 * LIMIT * 1.25, "of 2 bytes each it would be 270 MB for each MiB"
    server.close()
    client.close()


def test_however_high_the_limit_enet_holds_so_many_packets() -> None:
    pytest.importorskip("enet")
    server, client, peer = opened("enet", unsent=64 * LIMIT)
    assert filled(peer, b"ab") <= 2048
    assert peer.in_flight() <= 2048
    server.close()
    client.close()


def test_messages_before_welcome_count_as_what_they_take(memory_world: World) -> None:
    player = memory_world.connect(memory_world.server())
    gc.collect()
    tracemalloc.start()
    accepted = 0
    while player.net_echo(""):
        accepted += 1
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert player.reason.code == DisconnectReason.OVERLOADED
    assert 0 < accepted <= LIMIT // 64
    assert grown < LIMIT * 1.25


def test_a_count_cap_that_refuses_is_overloaded_and_never_a_silent_loss(wire_world: World) -> None:
    """An adapter refuses by its own cost before the bytes reach the limit: the sender must learn it all the same."""
    limit = 2 * LIMIT if wire_world.network == "enet" else LIMIT // 8
    server = wire_world.server(limits=Limits(unsent=limit))
    player = wire_world.join(server)
    wire_world.pumps.remove(player.client.update)
    sent = 0
    while player.there.connected:
        player.there.net_echo(sent)
        player.there.flush()
        sent += 1
        assert sent < 2_000_000
    assert player.there.reason.code == DisconnectReason.OVERLOADED


def test_what_is_refused_before_welcome_takes_no_room(memory_world: World) -> None:
    factory = memory_world.factory()
    factory.register("move", ("x",), reliable=False)
    server = memory_world.server(message_factory=factory)
    player = memory_world.connect(server, message_factory=factory, limits=Limits(unsent=3000))
    assert [player.net_move("x" * 1000) for _ in range(4)] == [True, True, False, False]
    assert player.net_echo("there is room for this")
    memory_world.until(lambda: len(server.made) == 1 and server.made[0].messages)
