"""Who has said BYE has left: for the lists, for broadcasts, for the limits (see doc/protocol.rst)."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from abuse import settled
from relays import UdpRelay, lose_once
from test_hostile_basics import Raw, Scene
from world import Recorder, World

from pygnetic import event
from pygnetic._core import packets
from pygnetic.errors import DisconnectReason, Reason
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory

CLOSED = DisconnectReason.CLOSED
BYE = packets.bye(Reason(CLOSED, "dinner"))
SPARE = 32  # connections that may be closing beside conn_limit


def hello(server: Any) -> bytes:
    return packets.hello(server.message_factory.get_hash(), "json")


def say(bad: Raw, *packets: bytes) -> None:
    """Send packets so that they arrive together."""
    for packet in packets:
        bad.peer.send(packet)
    bad.adapter.flush()


def test_who_has_said_bye_has_left(world: World) -> None:
    scene = Scene(world, Limits(close_time=0.5))
    server, connection = scene.server, scene.enter()
    say(scene.bad, b'[1,"before"]', BYE, b'[1,"behind"]')
    world.until(lambda: connection.reason)
    assert connection not in server.connections() and server.made[2] not in server.handlers()
    assert not connection.connected and connection.net_echo("come back") is False
    assert server.broadcast("echo", "who is here?") == 2
    say(scene.bad, b'[1,"much later"]', packets.ping(1.0), BYE)
    world.until(lambda: server.made[2].ended)
    assert server.made[2].calls == ["on_connect", ("before",), "on_disconnect"]
    assert connection.reason == (CLOSED, "dinner")
    assert [packet for packet in scene.bad.packets if b"who" in packet] == scene.bad.pongs == []


def test_a_client_that_is_told_bye_has_left(world: World) -> None:
    server = world.server(limits=Limits(close_time=0.5))
    alice = world.join(server, limits=Limits(close_time=0.5))
    for packet in (b'[1,"before"]', BYE, b'[1,"behind"]'):
        alice.there._peer.send(packet)
    world.until(lambda: alice.reason)
    assert not alice.connected and alice.net_echo("wait") is False
    again = alice.client.connect(*server.address)  # conn_limit is 1
    world.until(lambda: alice.handler.ended and again.connected)
    assert alice.handler.calls == ["on_connect", ("before",), "on_disconnect"]


def test_what_bye_overtakes_on_another_channel_is_delivered() -> None:
    pytest.importorskip("enet")
    with World("enet") as world:
        factory = MessageFactory("json")
        factory.register("echo", ("text",))
        factory.register("late", ("text",), channel=3)
        server = world.server(message_factory=factory)
        relay = UdpRelay(server.address, delay=0.01, drop=lose_once(b"overtaken", to_server=True))
        world.add(relay, relay.pump)
        alice = world.join(server, address=relay.address, message_factory=factory)
        alice.net_late("overtaken")
        alice.client.update()
        alice.net_echo("in time")
        alice.disconnect()
        world.until(lambda: server.made[0].ended)
        assert relay.dropped == 1
        assert sorted(message.text for message in server.made[0].messages) == ["in time", "overtaken"]
        assert server.made[0].calls[-1] == "on_disconnect"


@pytest.mark.parametrize("between", [(), (b'[1,"hi"]',)], ids=["nothing between", "a message between"])
@pytest.mark.parametrize("end", ["bye", "gone"])
def test_who_leaves_with_its_hello_was_never_here(world: World, end: str, between: tuple[bytes, ...]) -> None:
    posted: list[Any] = []
    event.post = lambda kind, *_, **__: posted.append(kind)
    server = world.server()
    for _ in range(3):
        bad = Raw(world, server)
        say(bad, hello(server), *between, *[BYE] * (end == "bye"))
        if end == "gone":
            bad.peer.disconnect()
        world.until(lambda: bad.closed)  # noqa: B023
        world.settle()
    # the networks of the system tell of an end in a poll of its own
    never = end == "bye" or world.network == "memory"
    assert not never or server.made == posted == []
    assert server.connections() == [] and not server._loop.links and not server._loop.leaving


def test_handlers_are_bounded_whatever_says_bye(world: World) -> None:
    server = world.server(conn_limit=4)
    honest = world.join(server)
    handlers = weakref.WeakSet(server.made)
    most = 0
    with settled():  # what pytest holds would be looked through each time
        for _ in range(80):
            bad = Raw(world, server)
            say(bad, hello(server))
            world.until(lambda: bad.packets)  # noqa: B023
            handlers.update(server.made)
            server.made.clear()
            say(bad, BYE)
            world.until(lambda: len(server.connections()) == 1)
            gc.collect()
            most = max(most, len(handlers))
    assert 4 < most <= 4 + SPARE
    assert len(server._loop.links) <= 4 + SPARE
    assert honest.connected and honest.handler.calls == ["on_connect"]


def test_who_is_gone_before_its_messages_are_handled_is_bounded_too(memory_world: World) -> None:
    class Slow(Recorder):
        alive = weakref.WeakSet[Any]()

        def __init__(self) -> None:
            super().__init__()
            self.alive.add(self)

    world = memory_world
    server = world.server(conn_limit=2, limits=Limits(messages=1), handler=Slow)
    with settled():
        for _ in range(100):
            bad = Raw(world, server)
            say(bad, hello(server))
            world.until(lambda: bad.packets)  # noqa: B023
            say(bad, *[b'[1,"hi"]'] * 1000)
            bad.peer.disconnect()
            world.pump()
            server.made.clear()
            gc.collect()
            assert len(Slow.alive) <= 2 + SPARE + 1  # one whose on_disconnect() is being called
    assert len(server._loop.links) <= 2 + SPARE


def test_on_disconnect_is_the_last_call_for_the_evicted(memory_world: World) -> None:
    world = memory_world
    server = world.server(conn_limit=1)
    bads = []
    for _ in range(SPARE + 2):
        bads.append(bad := Raw(world, server))
        say(bad, hello(server))
        world.until(lambda: bad.packets)
        say(bad, BYE)
        world.until(lambda: not server.connections())
    assert [made.ended for made in server.made] == [1, *[0] * (SPARE + 1)]
    assert bads[0].closed and not bads[1].closed
    for _ in range(8):  # not in one step: that would be our own sleep
        world.clock.now += 0.5
        world.pump()
    assert {tuple(made.calls) for made in server.made} == {("on_connect", "on_disconnect")}
    assert {made.connection.reason for made in server.made} == {Reason(CLOSED, "dinner")}
