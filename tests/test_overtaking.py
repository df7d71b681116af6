"""Channels overtake each other when a datagram is lost: nothing reliable is lost with it, nothing comes too early."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from relays import UdpRelay, lose_once
from world import HOST, Recorder, World

from pygnetic import network
from pygnetic._core import packets
from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory
from pygnetic.network.base import PACKET

# the end of ENet's SEND_RELIABLE command, which is the length of the packet, then WELCOME
WELCOME = b"\x00\x02" + packets.welcome()


def factory() -> MessageFactory:
    new = MessageFactory("json")
    new.register("news", ("number", "text"), channel=1)
    new.register("chat", ("number",), channel=2)
    new.register("move", ("number",), channel=3, reliable=False)
    return new


@pytest.fixture
def world() -> Iterator[World]:
    pytest.importorskip("enet")
    with World("enet") as new:
        yield new


def relay_to(world: World, server: Any, **options: Any) -> UdpRelay:
    relay = UdpRelay(server.address, **options)
    world.add(relay, relay.pump)
    return relay


class Passing:
    """A `drop=` that loses the first datagram with `lost` in it, and notes when both needles passed to the client."""

    def __init__(self, lost: bytes, watched: bytes, to_server: bool) -> None:
        self.lose = lose_once(lost, to_server=to_server)
        self.needles = {lost: "lost", watched: "watched"}
        self.to_server = to_server
        self.passed: list[str] = []

    def __call__(self, datagram: bytes, to_server: bool) -> bool:
        if self.lose(datagram, to_server):
            return True
        if to_server == self.to_server:
            self.passed += [name for needle, name in self.needles.items() if needle in datagram]
        return False


@pytest.mark.parametrize("size", [10, 5_000], ids=["one datagram", "many datagrams"])
def test_data_that_overtakes_welcome_waits_for_it(world: World, size: int) -> None:
    class Greets(Recorder):
        def on_connect(self) -> None:
            super().on_connect()
            self.connection.flush()  # WELCOME leaves, and is lost
            for number in range(5):
                self.connection.net_news(number, f"watch me{'x' * size}")
                self.connection.net_move(-1)
                self.connection.flush()

    server = world.server(handler=Greets, message_factory=factory())
    drop = Passing(WELCOME, b"watch me", to_server=False)
    relay = relay_to(world, server, drop=drop)
    alice = world.connect(relay.address, message_factory=server.message_factory)
    world.until(lambda: len(alice.handler.messages) >= 5)
    assert drop.passed[0] == "watched" and "lost" in drop.passed  # it was really overtaken
    assert relay.dropped == 1
    assert alice.handler.calls[0] == "on_connect"
    assert [message.number for message in alice.handler.messages] == list(range(5))
    assert alice.connected


def test_the_messages_before_bye_arrive_though_bye_overtakes_them(world: World) -> None:
    server = world.server(message_factory=factory())
    relay = relay_to(world, server)
    alice = world.join(server, client=world.client(message_factory=server.message_factory), address=relay.address)
    there = alice.there
    relay.drop = drop = Passing(b"the last message", b"lunch", to_server=True)
    for number in range(3):
        alice.net_chat(number)
    alice.net_news(3, "the last message")
    alice.flush()
    alice.net_chat(4)
    alice.disconnect(reason="lunch")
    world.until(lambda: server.made[0].ended and alice.handler.ended)
    assert drop.passed[0] == "watched" and "lost" in drop.passed
    assert sorted(message.number for message in server.made[0].messages) == [0, 1, 2, 3, 4]
    assert [m.number for m in server.made[0].messages if type(m).__name__ == "chat"] == [0, 1, 2, 4]
    assert server.made[0].calls[-1] == "on_disconnect"
    assert there.reason == (DisconnectReason.CLOSED, "lunch")


def test_the_messages_before_being_kicked_arrive_too(world: World) -> None:
    server = world.server(message_factory=factory())
    relay = relay_to(world, server)
    alice = world.join(server, client=world.client(message_factory=server.message_factory), address=relay.address)
    relay.drop = drop = Passing(b"the last message", b"enough", to_server=False)
    alice.there.net_news(0, "the last message")
    alice.there.flush()
    alice.there.disconnect(reason="enough")
    world.until(lambda: server.made[0].ended and alice.handler.ended)
    assert drop.passed[0] == "watched" and "lost" in drop.passed
    assert alice.handler.calls == ["on_connect", (0, "the last message"), "on_disconnect"]
    assert alice.reason == (DisconnectReason.KICKED, "enough")


def test_a_lost_message_holds_up_its_own_channel_only(world: World) -> None:
    server = world.server(message_factory=factory())
    relay = relay_to(world, server)
    alice = world.join(server, client=world.client(message_factory=server.message_factory), address=relay.address)
    relay.drop = lose_once(b"lost once", to_server=True)
    alice.net_news(0, "lost once")
    alice.flush()
    alice.net_news(1, "held up")
    alice.net_chat(2)
    world.until(lambda: len(server.made[0].messages) == 3)
    assert [message.number for message in server.made[0].messages] == [2, 0, 1]


@pytest.mark.parametrize("to_server", [True, False], ids=["to the server", "to the client"])
def test_whichever_datagram_is_lost(world: World, to_server: bool) -> None:
    def lose(number: int) -> Any:
        left = [number]

        def drop(datagram: bytes, to_server_now: bool) -> bool:
            left[0] -= to_server_now == to_server
            return to_server_now == to_server and left[0] == -1

        return drop

    count = 10
    server = world.server(message_factory=factory(), conn_limit=count)
    relays = [relay_to(world, server, drop=lose(number)) for number in range(count)]
    players = [world.connect(relay.address, message_factory=server.message_factory) for relay in relays]
    for player in players:
        player.net_chat(1)
    world.until(lambda: all(player.connected for player in players) and len(server.made) == count)
    for turn in range(2, 5):
        for player in players:
            player.net_chat(turn)
            player.net_news(turn, "")
            player.flush()
        server.broadcast("chat", turn)
    world.until(lambda: all(len(player.handler.messages) == 3 for player in players))
    for player in players:
        player.disconnect()
    world.until(lambda: all(end.ended for end in [*server.made, *(player.handler for player in players)]))
    for made in server.made:
        assert [m.number for m in made.messages if type(m).__name__ == "chat"] == [1, 2, 3, 4]
        assert [m.number for m in made.messages if type(m).__name__ == "news"] == [2, 3, 4]
    assert [relay.dropped for relay in relays] == [1] * count


# -- the same, to the byte, on every adapter


class Script:
    """A server that is an adapter only, and says its lines when HELLO has come."""

    def __init__(self, world: World, *lines: bytes) -> None:
        kind = network.adapter_class(network.get_adapter(world.network))
        self.adapter = kind((HOST, 0), limits=Limits(), **world.options)
        self.lines = list(lines)
        self.peer: Any = None
        world.add(self.adapter, self.poll)

    def poll(self) -> None:
        for kind, peer, _, _ in self.adapter.poll():
            if kind == PACKET:
                self.peer = peer
        while self.peer and self.lines:
            self.peer.send(self.lines.pop(0))


@pytest.fixture
def any_world(network_name: str) -> Iterator[World]:
    with World(network_name) as new:
        yield new


def test_reliable_data_before_welcome_is_held_and_unreliable_is_dropped(any_world: World) -> None:
    world = any_world
    script = Script(world, b'[1,0,"held"]', b"[3,1]", b"[[2,2],[2,3]]", b"[[3,4],[3,5]]")
    alice = world.connect(script.adapter.address, message_factory=factory())
    world.until(lambda: script.peer)
    world.settle()
    assert alice.handler.calls == [] and not alice.connected
    script.lines += [packets.welcome(), b"[3,6]"]
    world.until(lambda: len(alice.handler.calls) == 5)
    assert alice.handler.calls == ["on_connect", (0, "held"), (2,), (3,), (6,)]
    assert alice.messages_received == 4


def test_what_is_held_before_welcome_is_bounded(any_world: World) -> None:
    world = any_world
    script = Script(world, *[b'[1,0,"' + b"x" * 60_000 + b'"]'] * 16)
    alice = world.connect(script.adapter.address, message_factory=factory())
    world.until(lambda: script.peer and not script.lines)
    for _ in range(40):
        script.lines.append(b'[1,0,"' + b"x" * 60_000 + b'"]')
        world.settle(0.005)
    world.until(lambda: alice.handler.ended)
    assert alice.handler.calls == ["on_disconnect"]
    assert alice.reason.code == DisconnectReason.OVERLOADED


def test_nonsense_before_welcome_is_nonsense_after_it(any_world: World) -> None:
    script = Script(any_world, b"nonsense", packets.welcome())
    alice = any_world.connect(script.adapter.address, message_factory=factory())
    any_world.until(lambda: alice.handler.ended)
    assert alice.handler.messages == []
    assert alice.reason.code == DisconnectReason.PROTOCOL_ERROR


def test_what_comes_after_bye_on_its_own_channel_is_nobodys(any_world: World) -> None:
    world = any_world
    bye = packets.bye(packets.Reason(DisconnectReason.KICKED, "enough"))
    script = Script(world, packets.welcome(), b"[2,1]", bye, b"[2,2]")
    alice = world.connect(script.adapter.address, message_factory=factory())
    world.until(lambda: alice.reason)
    script.lines.append(b"[2,3]")
    world.settle()
    assert alice.handler.ended == 0 and not alice.connected
    script.peer.disconnect()
    world.until(lambda: alice.handler.ended)
    assert alice.handler.calls == ["on_connect", (1,), "on_disconnect"]
    assert alice.reason == (DisconnectReason.KICKED, "enough")


@pytest.mark.parametrize("final", [False, True])
def test_who_says_bye_and_never_closes_is_left(any_world: World, final: bool) -> None:
    world = any_world
    script = Script(world, packets.welcome(), packets.bye(packets.Reason(DisconnectReason.KICKED), final))
    alice = world.connect(
        script.adapter.address, client=world.client(limits=Limits(close_time=0.3), message_factory=factory())
    )
    began = time.monotonic()
    world.until(lambda: alice.handler.ended)
    assert 0.2 < time.monotonic() - began < 2
    assert alice.reason.code == DisconnectReason.KICKED
