"""The life of a connection, from connect() to on_disconnect(), on every network adapter (see doc/design.rst)."""

from __future__ import annotations

import contextlib
import gc
import time
from functools import partial
from typing import Any

import pytest
from abuse import PATIENCE
from world import HOST, Recorder, World

import pygnetic as net
from pygnetic import event
from pygnetic._core import packets
from pygnetic.errors import DisconnectReason, Reason
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory

CONNECT_TIME = Limits().connect_time
CLOSED, KICKED, LOST = DisconnectReason.CLOSED, DisconnectReason.KICKED, DisconnectReason.LOST


def texts(handler: Recorder) -> list[Any]:
    return [message.text for message in handler.messages]


def unused(world: World) -> tuple[str, int]:
    """Return an address where nobody listens: a port that was free a moment ago."""
    server = world.server()
    address: tuple[str, int] = server.address
    world.stop(server)
    return address


# -- connecting


def test_messages_sent_while_connecting_wait_for_the_welcome(world: World) -> None:
    server = world.server()
    alice = world.connect(server)
    assert alice.connected is False
    assert alice.reason is None
    assert alice.net_echo("early") is True
    assert alice.send("echo", "bird") is True
    assert alice.messages_sent == 2
    assert alice.handler.calls == []
    world.until(lambda: server.made and len(server.made[0].messages) == 2)
    assert texts(server.made[0]) == ["early", "bird"]
    assert alice.connected is True
    assert alice.handler.calls == ["on_connect"]
    assert server.made[0].calls[0] == "on_connect"


def test_both_sides_are_connected_when_on_connect_is_called(world: World) -> None:
    class Looks(Recorder):
        def on_connect(self) -> None:
            self.calls.append((self.connection.connected, self.connection.net_echo("hi")))

    server = world.server(handler=Looks)
    alice = world.connect(server, Looks())
    world.until(lambda: server.made and server.made[0].messages and alice.handler.messages)
    assert alice.handler.calls[0] == server.made[0].calls[0] == (True, True)
    assert texts(server.made[0]) == texts(alice.handler) == ["hi"]


def test_disconnect_while_connecting_discards_the_queue(world: World) -> None:
    server = world.server()
    alice = world.connect(server)
    alice.net_echo("never mind")
    alice.disconnect()
    assert alice.connected is False
    assert alice.net_echo("too late") is False
    assert alice.handler.calls == []
    alice.client.update()
    assert alice.handler.calls == ["on_disconnect"]
    alice.disconnect()
    world.settle()
    assert alice.handler.calls == ["on_disconnect"]
    assert alice.reason == (CLOSED, "")
    assert server.made == [] and server.connections() == []


def test_disconnect_after_hello_waits_for_nobody(world: World) -> None:
    server = world.server()
    world.pumps.remove(server.update)
    alice = world.connect(server)
    world.settle()  # HELLO is out, or on its way; the server is busy with something else
    alice.disconnect()
    alice.client.update()
    assert alice.handler.calls == ["on_disconnect"]
    world.pumps.append(server.update)
    world.until(lambda: not server.connections() and all(made.ended for made in server.made))


def test_too_much_sent_while_connecting_is_overloaded(world: World) -> None:
    server = world.server()
    alice = world.connect(server, client=world.client(limits=Limits(unsent=200_000)))
    accepted = 0
    while alice.net_echo("x" * 9_990):
        accepted += 1
        assert accepted < 27
    assert accepted > 13  # the limit, rounded to packets of 64 KiB
    world.until(lambda: alice.handler.ended)
    assert alice.reason.code == DisconnectReason.OVERLOADED
    assert "200000 (Limits.unsent)" in alice.reason.text
    assert alice.handler.calls == ["on_disconnect"]
    assert server.made == []


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
    alice = world.connect(unused(world), message_factory=world.factory())
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


def test_connect_again_from_inside_on_disconnect(world: World) -> None:
    class Insists(Recorder):
        later: Any = None

        def on_disconnect(self) -> None:
            super().on_disconnect()
            self.later = world.connect(server, client=alice.client)

    server = world.server(conn_limit=1)
    first = world.join(server)
    alice = world.connect(server, Insists(), message_factory=server.message_factory)
    world.until(lambda: alice.handler.later)
    assert alice.reason.code == DisconnectReason.SERVER_FULL
    again = alice.handler.later
    first.disconnect()
    world.until(lambda: again.handler.calls)
    while again.handler.ended:  # it came too early again
        again = world.connect(server, client=alice.client)
        world.until(lambda: again.handler.calls)  # noqa: B023 (called now)
    assert again.connected
    assert again.id != alice.id
    again.net_echo("made it")
    world.until(lambda: server.made[-1].messages)
    assert alice.handler.ended == 1


def test_connect_again_after_unreachable_from_inside_on_disconnect(world: World) -> None:
    class Elsewhere(Recorder):
        later: Any = None

        def on_disconnect(self) -> None:
            super().on_disconnect()
            self.later = world.connect(server, client=alice.client)

    nowhere = unused(world)
    server = world.server()
    client = world.client(limits=Limits(connect_time=0.2))
    alice = world.connect(nowhere, Elsewhere(), client=client)
    world.until(lambda: alice.handler.later and alice.handler.later.connected)
    assert alice.reason.code == DisconnectReason.UNREACHABLE
    assert len(server.made) == 1


def test_a_client_can_come_and_go(world: World) -> None:
    server = world.server()
    client = world.client()
    for number in range(5):
        alice = world.join(server, client=client)
        alice.net_echo(number)
        alice.disconnect()
        world.until(lambda: alice.handler.ended and server.made[-1].ended)  # noqa: B023 (called now)
    assert [texts(made) for made in server.made] == [[0], [1], [2], [3], [4]]


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


# -- close()


@pytest.mark.parametrize("side", ["client", "server"])
def test_close_sends_what_is_queued_and_tells_everybody(world: World, side: str) -> None:
    server = world.server()
    alice = world.join(server)
    here, closing, mine, theirs = (
        (alice, alice.client, alice.handler, server.made[0])
        if side == "client"
        else (alice.there, server, server.made[0], alice.handler)
    )
    other = theirs.connection._itself()
    for number in range(50):
        here.net_echo(number)
    world.stop(closing)
    assert mine.calls[-1] == "on_disconnect"
    assert here.connected is False
    assert here.net_echo("too late") is False
    here.disconnect()
    closing.close()
    began = time.monotonic()
    world.until(lambda: theirs.ended)
    assert time.monotonic() - began < 2
    assert texts(theirs) == list(range(50))
    assert mine.ended == theirs.ended == 1
    assert here.reason.code == CLOSED
    expected = (CLOSED, "the client was closed") if side == "client" else (KICKED, "the server was closed")
    assert other.reason == expected


def test_close_while_connecting(world: World) -> None:
    server = world.server()
    alice = world.connect(server)
    world.stop(alice.client)
    assert alice.handler.calls == ["on_disconnect"]
    assert alice.reason.code == CLOSED
    world.settle()
    assert server.connections() == []


def test_close_after_disconnect_delivers_all_the_same(world: World) -> None:
    server = world.server(limits=Limits(close_time=0.5))
    alice = world.join(server)
    alice.net_echo("last words")
    alice.disconnect(reason="dinner")
    world.stop(alice.client)
    assert alice.handler.ended == 1
    world.until(lambda: server.made[0].ended)
    assert texts(server.made[0]) == ["last words"]
    assert server.made[0].connection.reason == (CLOSED, "dinner")


def test_a_closed_end_says_so(world: World) -> None:
    server, client = world.server(), world.client()
    world.stop(server)
    world.stop(client)
    with pytest.raises(RuntimeError, match="this Server is closed"):
        server.update()
    with pytest.raises(RuntimeError, match="this Client is closed"):
        client.update()
    with pytest.raises(RuntimeError, match="this Client is closed"):
        client.connect(HOST, 9)
    assert server.connections() == []


def test_close_frees_the_port(world: World) -> None:
    server = world.server()
    address = server.address
    world.join(server)
    world.stop(server)
    again = world.server(port=address[1])
    assert again.address == address
    assert world.join(again).connected


def test_with_closes_whatever_happens(world: World) -> None:
    factory = world.factory()
    handler = Recorder()
    with pytest.raises(ZeroDivisionError):
        with net.Server(HOST, message_factory=factory, n_adapter=world.network) as server:
            address = server.address
            with net.Client(message_factory=factory, n_adapter=world.network) as client:
                client.connect(*address).add_handler(handler)
                raise ZeroDivisionError
    assert handler.calls == ["on_disconnect"]
    with pytest.raises(RuntimeError, match="closed"):
        server.update()
    net.Server(*address, message_factory=factory, n_adapter=world.network).close()


def test_close_inside_a_handler(world: World) -> None:
    class Closes(Recorder):
        def net_echo(self, message: Any) -> None:
            self.calls.append(message.text)
            self.connection.net_echo("last")
            world.pumps.remove(server.update)
            self.server.close()

    server = world.server(handler=Closes)
    players = [world.join(server) for _ in range(3)]
    players[1].net_echo("close")
    players[1].net_echo("dropped")
    world.until(lambda: all(player.handler.ended for player in players))
    assert [made.calls for made in server.made] == [
        ["on_connect", "on_disconnect"],
        ["on_connect", "close", "on_disconnect"],
        ["on_connect", "on_disconnect"],
    ]
    assert texts(players[1].handler) == ["last"]


def test_close_tells_the_others_though_one_handler_raises(world: World, caplog: pytest.LogCaptureFixture) -> None:
    class Fails(Recorder):
        def on_disconnect(self) -> None:
            super().on_disconnect()
            raise ZeroDivisionError(f"number {self.connection.id}")

    server = world.server(handler=Fails)
    for _ in range(3):
        world.join(server)
    world.pumps.remove(server.update)
    with pytest.raises(ZeroDivisionError, match="number 1"):
        server.close()
    logged = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert logged == ["number 2", "number 3"], "only one can be raised"
    assert [made.ended for made in server.made] == [1, 1, 1]
    server.close()


def test_close_tells_who_was_to_be_told_after_a_handler_that_raised(world: World) -> None:
    class Fails(Recorder):
        def on_disconnect(self) -> None:
            raise ZeroDivisionError

    server = world.server()
    alice = world.join(server, Fails())
    second, third = Recorder(), Recorder()
    alice.add_handler(second)
    alice.add_handler(third)
    alice.disconnect()
    with pytest.raises(ZeroDivisionError):
        world.until(lambda: False)
    alice.client.close()
    assert second.ended == third.ended == 1


def test_every_handler_is_told_though_each_of_them_raises(world: World) -> None:
    told = []

    class Raises(Recorder):
        def on_disconnect(self) -> None:
            told.append(self)
            raise ZeroDivisionError

    alice = world.join(world.server(), Raises())
    handlers = [alice.handler, *(Raises() for _ in range(4))]
    for handler in handlers[1:]:
        alice.add_handler(handler)
    alice.disconnect()

    def update(once: Any = alice.client.update) -> None:
        with contextlib.suppress(ZeroDivisionError):
            once()

    world.pumps[world.pumps.index(alice.client.update)] = update
    world.until(lambda: len(told) == 5)
    world.settle()
    assert told == handlers


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_close_tells_the_others_though_one_handler_ends_the_program(
    memory_world: World, error: type[BaseException]
) -> None:
    told = []

    class Ends(Recorder):
        def on_disconnect(self) -> None:
            told.append(self.connection.id)
            raise error if len(told) == 2 else ZeroDivisionError

    server = memory_world.server(handler=Ends)
    for _ in range(3):
        memory_world.join(server)
    with pytest.raises(error):  # and not what the first one raised
        server.close()
    assert told == [1, 2, 3]
    server.close()
    assert told == [1, 2, 3]


@pytest.mark.parametrize("raises", [1, 2])
def test_the_other_handlers_are_told_though_one_closes_the_client_and_raises(world: World, raises: int) -> None:
    told = []

    class Closes(Recorder):
        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

        def on_disconnect(self) -> None:
            told.append(self.number)
            if self.number == raises:
                alice.client.close()
            if self.number <= raises:
                raise ZeroDivisionError(self.number)

    server = world.server()
    alice = world.join(server, Closes(1))
    for number in (2, 3, 4):
        alice.add_handler(Closes(number))
    world.pumps.remove(alice.client.update)
    server.close()
    world.pumps.remove(server.update)
    errors = []
    while not alice.client._loop.closed:
        try:
            alice.client.update(1)
        except ZeroDivisionError as raised:
            errors.append(raised.args[0])
    assert (told, errors) == ([1, 2, 3, 4], list(range(1, raises + 1)))


# -- time


def test_a_silent_client_times_out(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice, bob = world.join(server), world.join(server)
    began = world.clock.now
    while not server.made[0].ended:
        world.clock.now += 0.25
        server.update()
        bob.client.update()
        assert world.clock.now < began + 12
    assert world.clock.now >= began + 9.75  # Limits.idle_time is 10 s
    assert server.made[0].connection.reason.code == DisconnectReason.TIMEOUT
    assert "idle_time" in server.made[0].connection.reason.text
    assert server.made[1].ended == 0 and bob.connected
    world.pump()
    assert alice.handler.ended == 1
    assert alice.reason.code == DisconnectReason.TIMEOUT


@pytest.mark.parametrize("step", [0.25, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("heard", [0.0, 0.4, 0.9])
def test_a_timeout_comes_at_its_limit_and_tells_it(memory_world: World, step: float, heard: float) -> None:
    """Not at the first PING after it, which is up to a second later."""
    world = memory_world
    server = world.server(limits=Limits(idle_time=10))
    alice = world.join(server)
    world.clock.now += heard
    alice.net_echo("the last")
    world.until(lambda: server.made[0].messages)
    world.pump()  # what her client sends by itself is heard now, too
    began = world.clock.now
    while server.made[0].connection.connected:
        assert world.clock.now < began + 10
        world.clock.now = min(world.clock.now + step, began + 10.0001)
        server.update()
    assert server.made[0].connection.reason.text == "nothing was heard for 10 s (Limits.idle_time)"


def test_a_silent_server_times_out(memory_world: World) -> None:
    world = memory_world
    limits = Limits(idle_time=2)
    server = world.server()
    alice = world.join(server, client=world.client(limits=limits, message_factory=server.message_factory))
    for _ in range(10):
        world.clock.now += 0.25
        alice.client.update()
    assert alice.reason.code == DisconnectReason.TIMEOUT
    assert alice.handler.ended == 1


def test_who_answers_pings_never_times_out(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice = world.join(server)
    for _ in range(400):
        world.clock.now += 0.25
        world.pump()
    assert alice.connected and server.connections() == [alice.there]


def test_a_process_that_slept_does_not_time_its_peers_out(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice, bob = world.join(server), world.join(server)
    for _ in range(5):  # a debugger, a closed laptop, a loading screen
        world.clock.now += 60
        server.update()
        alice.client.update()
        bob.client.update()
    assert alice.connected and bob.connected
    assert len(server.connections()) == 2


def test_a_client_that_loads_its_pictures_after_connect_still_gets_in(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice = world.connect(server)
    for _ in range(3):  # before each of the packets that it takes
        world.clock.now += 60
        world.pump()
    assert alice.connected


def test_a_client_that_slept_after_disconnect_still_delivers_what_it_sent(world: World) -> None:
    server = world.server()
    alice = world.join(server)
    client = alice.client
    for number in range(100):
        alice.net_echo(str(number) * 200)
    alice.disconnect()
    real = client._loop.clock
    client._loop.clock = client._adapter.clock = lambda: real() + 60
    for _ in range(3):
        client.update()
    world.until(lambda: server.made[0].ended and alice.handler.ended)
    assert len(server.made[0].messages) == 100
    assert server.made[0].connection.reason.code == DisconnectReason.CLOSED


@pytest.mark.parametrize("idle", [0, 60])
def test_who_does_not_answer_is_unreachable_in_time(memory_world: World, idle: float) -> None:
    """However long the client did nothing before connect()."""
    world = memory_world
    server = world.server()
    world.pumps.remove(server.update)
    client = world.client(message_factory=server.message_factory)
    world.clock.now += idle
    alice = world.connect(server, client=client)
    began = world.clock.now
    while not alice.handler.ended:
        world.clock.now += 0.25
        client.update()
        assert world.clock.now < began + 6
    assert alice.reason.code == DisconnectReason.UNREACHABLE
    assert world.clock.now >= began + 5


def test_round_trip_times(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice = world.join(server)
    assert alice.rtt == alice.there.rtt == 0.0
    for _ in range(40):
        alice.client.update()
        world.clock.now += 0.020
        server.update()
        world.clock.now += 0.030
    assert alice.rtt == pytest.approx(50, abs=0.01)
    assert alice.there.rtt == pytest.approx(50, abs=0.01)


def test_round_trip_times_on_a_real_clock(world: World) -> None:
    server = world.server()
    alice = world.join(server)
    world.until(lambda: alice.rtt and alice.there.rtt)
    assert 0 < alice.rtt < 1000


def test_control_packets_leave_in_the_update_that_made_them(world: World) -> None:
    """On a real network a WELCOME or PONG must not wait for the next frame."""
    server = world.server()
    client = world.client(message_factory=server.message_factory)
    connection = client.connect(*server.address)
    flushed = []
    flush = server._adapter.flush
    server._adapter.flush = lambda: (flushed.append(len(server.connections())), flush())
    world.until(lambda: connection.connected)
    assert flushed[-1] == 1


def test_a_pong_that_answers_nothing_is_ignored(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice = world.join(server)
    for stamp in (1e9, 0.0):
        alice._peer.send(packets.pong(packets.ping(stamp)))
    alice.net_echo("still here")
    world.until(lambda: server.made[0].messages)
    assert alice.there.connected
    assert alice.there.rtt < 1.0


def test_a_client_that_always_connects_again_can_be_closed(world: World) -> None:
    server = world.server()

    class Again(Recorder):
        def on_disconnect(self) -> None:
            super().on_disconnect()
            client.connect(*server.address).add_handler(Again())

    client = world.client(message_factory=server.message_factory)
    alice = world.join(server, Again(), client=client)
    client.close()
    assert alice.handler.ended == 1
    with pytest.raises(RuntimeError, match="this Client is closed"):
        client.connect(*server.address)


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


# -- factories and handler classes


def test_two_servers_with_other_messages_and_adapters_in_one_process() -> None:
    with World("memory") as near, World("socket") as far:
        hall = near.server(message_factory=near.factory(chat=("who", "text")))
        club = far.server(message_factory=far.factory(chat=("who", "room", "text")))
        alice, bob = near.join(hall), far.join(club)
        alice.net_chat("Alice", "hi")
        bob.net_chat("Bob", "bar", text="ho")
        near.until(lambda: hall.made[0].messages)
        far.until(lambda: club.made[0].messages)
        assert hall.made[0].messages == [("Alice", "hi")]
        assert club.made[0].messages == [("Bob", "bar", "ho")]
        with pytest.raises(TypeError, match="room"):
            alice.net_chat("Alice", room="bar", text="hi")
        with pytest.raises(TypeError, match="text"):
            bob.net_chat("Bob", "hi")


def test_the_factory_that_is_given_is_the_one_that_is_frozen(world: World) -> None:
    mine = world.factory()
    with net.Server(HOST, message_factory=mine, n_adapter=world.network):
        with pytest.raises(RuntimeError, match="register\\('late'\\) comes too late"):
            mine.register("late")
        net.register("still_possible")


def test_a_server_keeps_the_factory_that_it_was_made_with(world: World) -> None:
    server = world.server()
    first = server.message_factory
    server.message_factory = world.factory(other=("a", "b"))
    alice = world.join(server, message_factory=first)
    assert server.broadcast("echo", "hi") == 1
    alice.net_echo("here")
    world.until(lambda: alice.handler.messages and server.made[0].messages)


def test_a_client_freezes_its_factory_when_it_connects(world: World) -> None:
    server = world.server()
    net.message.message_factory._given = net.serialization.get_adapter("json")
    mine, other = world.factory(), world.factory()
    client = world.client(message_factory=mine, conn_limit=2)
    mine.register("in_time")
    client.connect(*server.address, other)
    mine.register("in_time_too")
    with pytest.raises(RuntimeError, match="too late"):
        other.register("late")
    client.connect(*server.address)
    with pytest.raises(RuntimeError, match="too late"):
        mine.register("late")
    net.register("still_possible")


def test_a_server_that_could_not_be_made_freezes_nothing(world: World) -> None:
    factory = world.factory()
    with pytest.raises(OSError):
        net.Server(*world.server().address, message_factory=factory, n_adapter=world.network)
    factory.register("still_possible")


def test_a_server_class_has_its_handler_and_factory(world: World) -> None:
    factory = world.factory(shout=("text",))
    made = []

    class Shouts(Recorder):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    class MyServer(net.Server):
        handler = Shouts
        message_factory = factory

    class MyClient(net.Client):
        message_factory = factory

    server = MyServer(HOST, n_adapter=world.network)
    world.add(server, server.update)
    client = MyClient(n_adapter=world.network)
    world.add(client, client.update)
    client.connect(*server.address).net_shout("HEY")
    world.until(lambda: made and made[0].messages)
    assert texts(made[0]) == ["HEY"]
    net.register("the_default_is_not_frozen")


def test_the_handler_of_a_server_class_may_be_a_function(world: World) -> None:
    made = []

    def make() -> Recorder:
        made.append(Recorder())
        return made[-1]

    class Plain(net.Server):
        handler = make

    class Static(net.Server):
        handler = staticmethod(make)

    class Method(net.Server):
        def handler(self) -> Recorder:
            assert type(self) is Method
            return make()

    for number, kind in enumerate((Plain, Static, Method), 1):
        world.join(world.server(kind, handler=None))
        assert len(made) == number and made[-1].calls == ["on_connect"]


def test_a_server_may_be_closed_where_a_handler_is_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    posted = []

    class Closes(Recorder):
        def __init__(self) -> None:
            super().__init__()
            world.stop(server)

    server = world.server(handler=Closes)
    monkeypatch.setattr(event, "post", lambda net_type, connection, **more: posted.append((net_type, connection)))
    alice = world.connect(server)
    world.until(lambda: alice.handler.ended)
    (handler,) = server.made
    assert handler.calls == []
    assert [net_type for net_type, connection in posted if connection is not alice] == [
        event.NET_ACCEPTED, event.NET_DISCONNECTED
    ]  # fmt: skip
    assert handler.connection.connected is False


def test_what_an_instance_is_given_is_not_written_to_the_class(world: World) -> None:
    before = net.Server.handler, net.Server.message_factory, net.Client.message_factory
    factory = world.factory()
    server = world.server(message_factory=factory)
    client = world.client(message_factory=factory)
    assert server.message_factory is client.message_factory is factory
    assert (net.Server.handler, net.Server.message_factory, net.Client.message_factory) == before


def test_the_handler_of_a_server_may_be_assigned_later(world: World) -> None:
    class Second(Recorder):
        pass

    server = world.server(handler=None)
    alice = world.join(server)
    assert server.handlers() == []
    alice.net_echo("nobody handles this")
    server.handler = Recorder
    bob = world.join(server)
    server.handler = Second
    carol = world.join(server)
    assert [type(handler) for handler in server.handlers()] == [Recorder, Second]
    first, second = server.handlers()
    bob.net_echo("b")
    carol.net_echo("c")
    world.until(lambda: first.messages and second.messages)
    assert alice.connected


def test_handlers_have_proxies(world: World) -> None:
    server = world.server()
    alice = world.join(server)
    handler = server.made[0]
    assert handler.server.address == server.address
    assert handler.connection.id == alice.there.id
    assert alice.handler.server is None
    assert alice.parent.conn_limit == 1
    assert handler.connection.parent.address == server.address


# -- connections() and handlers()


def test_connections_leave_out_proxies_and_connections(world: World) -> None:
    server = world.server()
    alice, bob, carol = (world.join(server) for _ in range(3))
    everybody = server.connections()
    assert everybody == [alice.there, bob.there, carol.there]
    assert server.connections([]) == server.connections(None) == everybody
    assert server.connections([alice.there]) == [bob.there, carol.there]
    proxy = server.made[1].connection
    assert server.connections([proxy]) == server.connections(exclude=(proxy,)) == [alice.there, carol.there]
    assert server.connections(exclude=iter([proxy, alice.there])) == [carol.there]
    assert server.connections({alice.there, carol.there}) == [bob.there]
    assert server.handlers() == server.made
    assert server.handlers([proxy]) == [server.made[0], server.made[2]]
    assert server.handlers(exclude=everybody) == []


def test_only_connections_can_be_left_out(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice = world.join(server)
    for wrong in (alice.there, server.made[0].connection, server.made, [None], 5):
        for method in (server.connections, server.handlers, partial(server.broadcast, "echo", "hi")):
            with pytest.raises(TypeError, match=r"takes a list of connections, such as \[self.connection\], not "):
                method(exclude=wrong)


def test_dead_proxies_are_left_out_of_nothing(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice, bob = world.join(server), world.join(server)
    dead = server.made[0].connection
    alice.disconnect()
    world.until(lambda: server.made[0].ended)
    del alice.there, server.made[0]  # a handler keeps its connection
    for _ in range(20):  # until its last deadline has passed, it may live on
        world.clock.now += 0.5
        world.pump()
    gc.collect()
    with pytest.raises(ReferenceError):
        _ = dead.id
    assert server.connections(exclude=[dead]) == [bob.there]
    assert server.handlers(exclude=[dead]) == server.made
    assert server.broadcast("echo", "hi", exclude=[dead]) == 1


def test_only_the_welcomed_are_listed(world: World) -> None:
    server = world.server()
    world.connect(server)
    assert server.connections() == []
    world.until(lambda: server.connections())
    listed = server.connections()
    listed.clear()
    assert len(server.connections()) == 1
