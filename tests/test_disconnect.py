"""disconnect(): what still arrives, what is dropped, and the reason that each side is told."""

from __future__ import annotations

from typing import Any

import pytest
from memory_pair import Pair
from world import Recorder, World, texts

from pygnetic.errors import DisconnectReason, Reason
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory

# -- disconnect() of one connection


def test_disconnect_says_why(pair: Pair) -> None:
    pair.remote.disconnect(0, "be nice")
    pair.update(2)
    assert str(pair.connection.reason) == "KICKED: be nice"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("be nice",), r"disconnect\(\) takes when, 0 or -1, before the reason: disconnect\(reason='be nice'\)"),
        ((None,), r"disconnect\(\) takes when, 0 or -1, before the reason"),
        ((0, ValueError("no such move")), r"the reason is a text, not ValueError\('no such move'\); str\(\) makes one"),
        ((0, b"be nice"), r"the reason is a text, not b'be nice'"),
    ],
)
def test_disconnect_with_something_else(pair: Pair, arguments: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        pair.remote.disconnect(*arguments)
    assert pair.remote.connected
    pair.remote.disconnect()
    pair.update(2)
    assert not pair.connection.connected


def test_disconnect_now_drops_what_waits(pair: Pair) -> None:
    handler = pair.server.handlers()[0]
    pair.connection.net_ready()
    pair.connection.disconnect(-1)
    pair.update(2)
    assert handler.got == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("when", [0, 1])
def test_disconnect_delivers_what_was_sent_before(pair: Pair, when: int) -> None:
    handler = pair.server.handlers()[0]
    for _ in range(200):
        pair.connection.net_ready()
    pair.connection.disconnect(when)
    pair.connection.disconnect()
    pair.update(3)
    assert len(handler.got) == 200  # type: ignore[attr-defined]


# -- what is counted, and the rest


CLOSED, KICKED, LOST = DisconnectReason.CLOSED, DisconnectReason.KICKED, DisconnectReason.LOST


# -- disconnect()


@pytest.mark.parametrize("size", [10, 4_000], ids=["small", "big"])
@pytest.mark.parametrize("side", ["client", "server"])
def test_what_was_sent_before_disconnect_arrives(world: World, side: str, size: int) -> None:
    server = world.server()
    alice = world.join(server)
    here, handler = (alice, server.made[0]) if side == "client" else (alice.there, alice.handler)
    expected = [f"{number:{size}}" for number in range(200)]
    for text in expected:
        assert here.net_echo(text)
    here.disconnect()
    assert here.connected is False
    here.disconnect()
    assert here.net_echo("too late") is False
    world.until(lambda: alice.handler.ended and server.made[0].ended)
    here.disconnect()
    world.settle()
    assert texts(handler) == expected
    assert alice.handler.ended == server.made[0].ended == 1
    assert handler.calls[-1] == "on_disconnect"
    assert server.connections() == [] and server.handlers() == []


def test_messages_on_all_channels_arrive_before_the_end(world: World) -> None:
    factory = MessageFactory("json")
    for channel in range(5):
        factory.register(f"m{channel}", ("number",), channel=channel)
    server = world.server(message_factory=factory)
    alice = world.join(server)
    for number in range(200):
        assert alice.send(f"m{number % 5}", number)
    alice.disconnect()
    world.until(lambda: server.made[0].ended)
    assert sorted(m.number for m in server.made[0].messages) == list(range(200))


def test_disconnect_calls_nobody_at_once_and_drops_what_comes_in(world: World) -> None:
    server = world.server()
    alice = world.join(server)
    alice.there.net_echo("crossing")
    server.update()
    alice.disconnect()
    assert alice.handler.calls == ["on_connect"]
    world.until(lambda: alice.handler.ended and server.made[0].ended)
    assert alice.handler.calls == ["on_connect", "on_disconnect"]


@pytest.mark.parametrize("where", ["on_connect", "net_echo", "on_disconnect"])
@pytest.mark.parametrize("side", ["client", "server"])
def test_disconnect_and_send_inside_a_handler(world: World, side: str, where: str) -> None:
    class Leaves(Recorder):
        def leave(self) -> None:
            self.calls.append(self.connection.net_echo("farewell"))
            self.connection.disconnect()
            self.connection.disconnect()
            self.calls.append(self.connection.net_echo("too late"))

        def on_connect(self) -> None:
            self.calls.append("on_connect")
            if where == "on_connect":
                self.leave()

        def net_echo(self, message: Any) -> None:
            self.calls.append(message.text)
            self.leave()

        def on_disconnect(self) -> None:
            self.calls.append("on_disconnect")
            if where == "on_disconnect":
                self.leave()

    server = world.server(handler=Leaves if side == "server" else Recorder)
    alice = world.connect(server, Leaves() if side == "client" else Recorder())
    world.until(lambda: alice.handler.calls and server.made and server.made[0].calls)
    leaving, other = (alice.handler, server.made[0]) if side == "client" else (server.made[0], alice.handler)
    if where == "net_echo":
        other.connection.net_echo("go")
        other.connection.net_echo("this one is dropped")
    elif where == "on_disconnect":
        other.connection.disconnect()
    world.until(lambda: leaving.ended and other.ended)
    world.settle()
    expected = {
        "on_connect": ["on_connect", True, False, "on_disconnect"],
        "net_echo": ["on_connect", "go", True, False, "on_disconnect"],
        "on_disconnect": ["on_connect", "on_disconnect", False, False],
    }
    assert leaving.calls == expected[where]
    assert texts(other) == ([] if where == "on_disconnect" else ["farewell"])
    assert other.ended == 1


def test_disconnect_inside_a_loop_over_the_connections(world: World) -> None:
    server = world.server()
    players = [world.join(server) for _ in range(4)]
    assert len(server.connections()) == 4
    for connection in server.connections():
        connection.net_echo("closing time")
        connection.disconnect(reason="closing time")
    assert server.connections() == []
    world.until(lambda: all(player.handler.ended for player in players) and all(made.ended for made in server.made))
    assert [texts(player.handler) for player in players] == [["closing time"]] * 4
    assert [player.reason for player in players] == [(KICKED, "closing time")] * 4


def test_a_handler_disconnects_everybody(world: World) -> None:
    class Ender(Recorder):
        def net_echo(self, message: Any) -> None:
            for connection in self.server.connections():
                connection.disconnect()

    server = world.server(handler=Ender)
    players = [world.join(server) for _ in range(3)]
    players[1].net_echo("end it")
    world.until(lambda: all(player.handler.ended for player in players) and all(made.ended for made in server.made))
    world.settle()
    assert [made.ended for made in server.made] == [player.handler.ended for player in players] == [1, 1, 1]


def test_disconnect_on_both_sides_at_once(world: World) -> None:
    limits = Limits(close_time=0.3)
    server = world.server(limits=limits)
    alice = world.join(server, client=world.client(limits=limits, message_factory=server.message_factory))
    alice.disconnect()
    alice.there.disconnect()
    world.until(lambda: alice.handler.ended and server.made[0].ended, timeout=3)
    world.settle(0.1)
    assert alice.handler.ended == server.made[0].ended == 1
    assert server.connections() == []


def test_disconnect_now_drops_the_queue(world: World) -> None:
    server = world.server()
    alice = world.join(server)
    alice.net_echo("not sent any more")
    alice.disconnect(-1)
    assert alice.connected is False
    alice.client.update()
    assert alice.handler.ended == 1
    world.until(lambda: server.made[0].ended)
    world.settle()
    assert server.made[0].messages == []
    assert alice.handler.ended == server.made[0].ended == 1
    assert alice.reason == (CLOSED, "")
    assert server.made[0].connection.reason.code in (CLOSED, LOST)  # BYE has one try


@pytest.mark.parametrize("side", ["client", "server"])
def test_disconnect_now_tells_why(world: World, side: str) -> None:
    server = world.server()
    alice = world.join(server)
    first, other, handler = alice, alice.there, server.made[0]
    if side == "server":
        first, other, handler = alice.there, alice, alice.handler
    first.disconnect(-1, "not with me")
    world.until(lambda: handler.ended, timeout=2)
    told = (CLOSED if side == "client" else KICKED, "not with me")
    # ENet throws away what it has read and not handed over when it is told to disconnect, and so the goodbye
    assert other.reason == told or (world.network == "enet" and other.reason.code == LOST)


@pytest.mark.parametrize("side", ["client", "server"])
def test_who_leaves_while_thrown_out_is_gone_soon(world: World, side: str) -> None:
    server = world.server()
    alice = world.join(server)
    leaves, throws = (alice, alice.there) if side == "client" else (alice.there, alice)
    leaves.disconnect()
    throws.disconnect(-1)
    world.until(lambda: alice.handler.ended and server.made[0].ended, timeout=2)


def test_disconnect_when_may_be_one_and_the_reason_is_a_keyword_or_not(world: World) -> None:
    server = world.server()
    alice = world.join(server)
    alice.net_echo("before")
    alice.disconnect(1, "lunch")
    world.until(lambda: server.made[0].ended)
    assert texts(server.made[0]) == ["before"]
    assert server.made[0].connection.reason == (CLOSED, "lunch")


# -- why it ended


def test_what_the_two_sides_are_told_when_the_server_disconnects(world: World) -> None:
    server = world.server()
    alice = world.join(server)
    there = alice.there
    there.disconnect(reason="be nice, Ålice")
    world.until(lambda: alice.handler.ended and server.made[0].ended)
    assert alice.reason == (KICKED, "be nice, Ålice")
    assert isinstance(alice.reason, Reason) and str(alice.reason) == "KICKED: be nice, Ålice"
    assert there.reason == (CLOSED, "be nice, Ålice")


def test_the_reason_arrives_though_the_queue_is_full(world: World) -> None:
    server = world.server(limits=Limits(unsent=2000))
    alice = world.join(server)
    world.settle()
    size = 1989
    while not alice.there._peer.send(b"1" * size):
        size -= 1
    alice.there.disconnect(reason="be nice")
    world.until(lambda: alice.handler.ended)
    assert alice.reason == (KICKED, "be nice")


def test_what_the_two_sides_are_told_when_the_client_disconnects(world: World) -> None:
    server = world.server()
    alice = world.join(server)
    there = alice.there
    alice.disconnect()
    world.until(lambda: alice.handler.ended and server.made[0].ended)
    assert alice.reason == there.reason == (CLOSED, "")


def test_the_reason_is_there_in_on_disconnect(world: World) -> None:
    class Reads(Recorder):
        def on_disconnect(self) -> None:
            self.calls.append(self.connection.reason.code)

    server = world.server()
    alice = world.join(server, Reads())
    alice.there.disconnect()
    world.until(lambda: KICKED in alice.handler.calls)


def test_a_long_or_odd_reason_does_no_harm(world: World) -> None:
    server = world.server()
    alice, bob = world.join(server), world.join(server)
    alice.there.disconnect(reason="ä" * 5_000)
    bob.there.disconnect(reason="\x1b[31mred\nline")
    world.until(lambda: alice.handler.ended and bob.handler.ended)
    assert alice.reason.code == bob.reason.code == KICKED
    assert alice.reason.text and set(alice.reason.text) == {"ä"}
    assert bob.reason.text == " [31mred line"


def test_a_reason_is_cut_to_the_packet_size(world: World) -> None:
    limits = Limits(packet_size=256)
    server = world.server(limits=limits)
    alice, bob = world.join(server, limits=limits), world.join(server, limits=limits)
    alice.there.disconnect(0, "é" * 400)
    bob.there.disconnect(0, "é" * 400)
    world.until(lambda: alice.handler.ended and bob.handler.ended)
    for player in (alice, bob):
        assert player.reason.code == KICKED and 100 < len(player.reason.text) < 128
        assert set(player.reason.text) == {"é"}
