"""Connections that never open: other messages, a full server, nobody there; and who makes room."""

from __future__ import annotations

import time
from typing import Any

import pytest
from abuse import PATIENCE
from world import World, texts

import pygnetic as net
from pygnetic import event
from pygnetic.errors import DisconnectReason, Reason
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory

CONNECT_TIME = Limits().connect_time


# -- refused, unreached


def refused(world: World, connection: Any, seconds: float = CONNECT_TIME) -> Reason:
    """Wait for the end of a connection that must never open; return why.

    :param seconds: it must end before; by default, who is told why must be told instead of waiting to the end.
    """
    posted: list[Any] = []
    event.post = lambda kind, which, **more: which is connection and posted.append(kind)
    began = time.monotonic()
    world.until(lambda: connection.handler.ended, timeout=seconds + 5)
    took = time.monotonic() - began
    world.settle()
    assert connection.handler.calls == ["on_disconnect"]
    assert posted == [event.NET_DISCONNECTED]
    assert connection.connected is False
    assert connection.net_echo("anybody?") is False
    assert took < seconds
    reason: Reason = connection.reason
    return reason


def test_a_client_with_other_messages_is_told_the_difference(world: World) -> None:
    server = world.server(message_factory=world.factory(echo=("text",), move=("x", "y", "z")))
    alice = world.connect(server, message_factory=world.factory(echo=("text",), move=("x", "y")))
    reason = refused(world, alice)
    assert reason.code == DisconnectReason.SCHEMA_MISMATCH
    assert "server: move(x, y, z); client: move(x, y)" in reason.text
    assert server.made == [] and server.connections() == []


@pytest.mark.parametrize(
    ("here", "there", "told"),
    [
        ({"reliable": False, "channel": 1}, {}, "server: unreliable, channel 1; client: reliable; "),
        ({}, {"channel": 2}, "server: reliable; client: reliable, channel 2; "),
        ({"flags": 0}, {"flags": 2}, "server: unreliable; client: unreliable, unordered; "),
    ],
)  # fmt: skip
def test_delivery_that_differs_is_told_before_on_connect(world: World, here: Any, there: Any, told: str) -> None:
    factories = []
    for delivery in (here, there):
        factories.append(world.factory())
        factories[-1].register("move", ("x",), **delivery)
    server = world.server(message_factory=factories[0])
    alice = world.connect(server, message_factory=factories[1])
    world.until(lambda: alice.handler.ended)
    assert alice.handler.calls == ["on_disconnect"] and not server.made
    assert str(alice.reason) == (
        f"SCHEMA_MISMATCH: message 2 move is delivered differently: {told}register it with the same reliable=, "
        "ordered= and channel= on both sides"
    )


def test_one_delivery_spelled_in_two_ways_is_no_difference(world: World) -> None:
    factories = [world.factory(), world.factory()]
    factories[0].register("move", ("x",), flags=0, channel=3)
    factories[1].register("move", ("x",), reliable=False, ordered=True, channel=3)
    server = world.server(message_factory=factories[0])
    alice = world.join(server, message_factory=factories[1])
    assert alice.connected


@pytest.mark.parametrize("limit", ["packet_size", "unsent"])
def test_the_difference_is_told_within_the_limits(world: World, limit: str) -> None:
    many = {f"message_number_{number}": ("a_field", "another_field") for number in range(60)}
    limits = Limits(**{limit: 1024})
    server = world.server(message_factory=world.factory(**many), limits=limits)
    alice = world.connect(server, message_factory=world.factory(), limits=limits)
    bob = world.connect(server, message_factory=world.factory(**many, last=("a",)), limits=limits)
    world.until(lambda: alice.handler.ended and bob.handler.ended)
    assert str(alice.reason).startswith("SCHEMA_MISMATCH: message 1 differs: server: message_number_0(a_field, another")
    assert bob.reason.code == DisconnectReason.SCHEMA_MISMATCH
    assert "server: ... (too long to tell); client: message_number_" in bob.reason.text


def test_a_client_with_another_serializer_is_told(world: World) -> None:
    class Other:
        wire_name = "morse"
        pack = staticmethod(net.serialization.get_adapter("json").pack)
        unpack = staticmethod(net.serialization.get_adapter("json").unpack)
        unpacker = staticmethod(net.serialization.get_adapter("json").unpacker)

    factory = MessageFactory(Other())
    factory.register("echo", ("text",))
    reason = refused(world, world.connect(world.server(), message_factory=factory))
    assert reason.code == DisconnectReason.SCHEMA_MISMATCH
    assert "json" in reason.text and "morse" in reason.text


def test_a_full_server(world: World) -> None:
    server = world.server(conn_limit=2)
    alice, bob = world.join(server), world.join(server)
    reason = refused(world, world.connect(server))
    assert reason.code == DisconnectReason.SERVER_FULL
    assert "2 clients" in reason.text
    assert len(server.made) == 2
    assert alice.connected and bob.connected
    alice.net_echo("still here")
    world.until(lambda: server.made[0].messages)
    bob.disconnect()
    world.until(lambda: server.made[1].ended)
    assert world.join(server).connected  # there is room again


def test_nobody_is_listening(world: World) -> None:
    alice = world.connect(world.nowhere(), message_factory=world.factory())
    alice.net_echo("anybody?")
    reason = refused(world, alice, CONNECT_TIME + PATIENCE)
    assert reason.code == DisconnectReason.UNREACHABLE
    host, port = alice.address
    assert f"nobody answered at {host}:{port} over " in reason.text


def test_a_server_that_never_answers_is_unreachable(world: World) -> None:
    deaf = world.server()
    world.pumps.remove(deaf.update)
    alice = world.connect(deaf, client=world.client(limits=Limits(connect_time=0.2)))
    assert refused(world, alice, 3).code == DisconnectReason.UNREACHABLE


def test_a_stranger_that_says_nothing_is_dropped(world: World) -> None:
    server = world.server(limits=Limits(connect_time=0.2))
    adapter = net.network.get_adapter(world.network).Adapter(limits=Limits())
    seen: list[Any] = []
    world.add(adapter, lambda: seen.extend(adapter.poll()))
    adapter.connect(*server.address)
    world.until(lambda: len(seen) == 2)
    assert [kind for kind, *_ in seen] == [net.network.base.OPENED, net.network.base.CLOSED]
    assert server.made == []


@pytest.mark.parametrize("who", ["the same client", "another"])
def test_who_leaves_makes_room_at_once(world: World, who: str) -> None:
    server = world.server(conn_limit=1)
    client = world.client()
    for _ in range(10):
        connection = world.connect(server, client=client)
        world.until(lambda: connection.connected or connection.reason)  # noqa: B023
        assert connection.connected, connection.reason
        connection.disconnect()
        if who == "another":
            client.update()
            client = world.client()


# -- limits on the number of connections


def test_a_client_has_a_limit_too(world: World) -> None:
    server = world.server()
    client = world.client(conn_limit=2)
    alice, bob = world.join(server, client=client), world.join(server, client=client)
    with pytest.raises(RuntimeError, match=r"^this Client has all .* may have: 2 \(conn_limit\); disconnect\(\) one"):
        client.connect(*server.address)
    alice.disconnect()
    carol = world.join(server, client=client)
    carol.net_echo("c")
    bob.net_echo("b")
    world.until(lambda: len([m for made in server.made for m in made.messages]) == 2)
    assert [texts(made) for made in server.made] == [[], ["b"], ["c"]]
    assert len({alice.id, bob.id, carol.id}) == 3


@pytest.mark.parametrize("limit", [0, -1, 2.0, "4", None])
def test_what_is_no_limit(limit: Any) -> None:
    with pytest.raises(ValueError, match="conn_limit"):
        net.Client(limit, n_adapter="memory")
