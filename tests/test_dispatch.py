"""How messages reach handlers and events: once each, in order, whatever a handler does."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from world import HOST, Recorder, World, texts

import pygnetic as net
from pygnetic import event
from pygnetic.errors import MessageTooLarge
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory


def update(end: Any, error: type[Exception] = ZeroDivisionError) -> int:
    """Update until it raises no more; return how often it did."""
    for count in range(1000):
        try:
            end.update()
        except error:
            continue
        return count
    raise AssertionError("it raises for ever")


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Return the events that would go to pygame: (net_type, connection, attributes)."""
    events: list[tuple[Any, ...]] = []
    monkeypatch.setattr(event, "post", lambda kind, connection, **more: events.append((kind, connection, more)))
    return events


# -- errors


def test_a_handler_that_raises_on_every_tenth_message(world: World) -> None:
    class Fails(Recorder):
        def net_echo(self, message: Any) -> None:
            self.messages.append(message)
            if message.text % 10 == 0:
                raise ZeroDivisionError(message.text)

    server = world.server(handler=Fails)
    alice = world.join(server)
    second = Recorder()
    alice.there.add_handler(second)
    raised = []

    def bold_update() -> None:
        try:
            server.update()
        except ZeroDivisionError as error:
            raised.append(error.args[0])

    world.pumps[world.pumps.index(server.update)] = bold_update
    for number in range(1, 501):
        alice.net_echo(number)
        if number % 7 == 0:  # packets of seven, then whatever the loop makes of it
            alice.flush()
    world.until(lambda: len(server.made[0].messages) == 500 and len(second.messages) == 500)
    world.settle()
    assert texts(server.made[0]) == list(range(1, 501))
    assert sorted(texts(second)) == list(range(1, 501))
    assert raised == list(range(10, 501, 10))
    assert alice.connected and alice.there.messages_received == 500
    alice.net_echo(1)
    world.until(lambda: len(second.messages) == 501)


def test_a_second_handler_gets_what_the_first_one_choked_on_in_order(world: World) -> None:
    class Fails(net.Handler):
        def on_recive(self, message: Any) -> None:
            raise ZeroDivisionError

    server = world.server(handler=Fails)
    alice = world.join(server)
    second, third = Recorder(), Recorder()
    alice.there.add_handler(second)
    alice.there.add_handler(third)
    for number in range(20):
        alice.net_echo(number)
    world.pumps.remove(server.update)
    raised = 0
    for _ in range(1000):
        world.pump()
        raised += update(server)
        if len(third.messages) == 20:
            break
    assert texts(second) == texts(third) == list(range(20))
    assert raised == 20


def test_what_was_not_dispatched_is_dispatched_before_what_comes_later(memory_world: World) -> None:
    class Fails(Recorder):
        def net_echo(self, message: Any) -> None:
            self.messages.append(message)
            if message.text == "bad":
                raise ZeroDivisionError

    world = memory_world
    server = world.server(handler=Fails)
    alice = world.join(server)
    for text in ("one", "bad", "two"):
        alice.net_echo(text)
    alice.client.update()
    with pytest.raises(ZeroDivisionError):
        server.update()
    alice.net_echo("three")
    alice.disconnect()
    alice.client.update()
    server.update()
    assert texts(server.made[0]) == ["one", "bad", "two", "three"]
    assert server.made[0].calls[-1] == "on_disconnect"


def test_one_players_error_costs_the_others_nothing(world: World) -> None:
    class Fails(Recorder):
        def net_echo(self, message: Any) -> None:
            super().on_receive(message)
            if message.text == "bad":
                raise ZeroDivisionError

    server = world.server(handler=Fails)
    alice, bob, carol = (world.join(server) for _ in range(3))
    for number in range(10):
        alice.net_echo("bad")
        bob.net_echo(number)
        carol.net_echo(number)
    world.pumps.remove(server.update)
    raised = 0
    while min(len(made.messages) for made in server.made) < 10:
        world.pump()
        raised += update(server)
    assert raised == 10
    assert texts(server.made[1]) == texts(server.made[2]) == list(range(10))


def test_handle_error_may_take_the_errors(world: World) -> None:
    class Calm(net.Server):
        def handle_error(self, connection: Any, error: Exception) -> None:
            errors.append((connection, error))

    class Fails(Recorder):
        def on_connect(self) -> None:
            super().on_connect()
            raise KeyError("on_connect")

        def net_echo(self, message: Any) -> None:
            super().on_receive(message)
            raise KeyError(message.text)

        def on_disconnect(self) -> None:
            super().on_disconnect()
            raise KeyError("on_disconnect")

    errors: list[Any] = []
    server = world.server(Calm, handler=Fails)
    alice = world.join(server)
    there, second = alice.there, Recorder()
    there.add_handler(second)
    alice.net_echo("a")
    alice.net_echo("b")
    alice.disconnect()
    world.until(lambda: server.made[0].ended and second.ended)
    assert [error.args[0] for _, error in errors] == ["on_connect", "a", "b", "on_disconnect"]
    assert {connection for connection, _ in errors} == {there}
    assert texts(second) == ["a", "b"]
    assert second.ended == 1


def test_handle_error_of_a_client(world: World) -> None:
    class Calm(net.Client):
        def handle_error(self, connection: Any, error: Exception) -> None:
            errors.append((connection, type(error)))
            connection.disconnect()

    class Fails(Recorder):
        def net_echo(self, message: Any) -> None:
            raise ZeroDivisionError

    errors: list[Any] = []
    server = world.server()
    client = world.client(Calm, message_factory=server.message_factory)
    alice = world.join(server, Fails(), client=client)
    alice.there.net_echo("first")
    alice.there.net_echo("dropped: handle_error disconnected")
    world.until(lambda: alice.handler.ended)
    assert errors == [(alice, ZeroDivisionError)]


@pytest.mark.parametrize("where", ["on_connect", "on_disconnect"])
def test_errors_in_the_other_methods_come_out_of_update_once(world: World, where: str) -> None:
    class Fails(Recorder):
        def on_connect(self) -> None:
            super().on_connect()
            if where == "on_connect":
                raise ZeroDivisionError(where)

        def on_disconnect(self) -> None:
            super().on_disconnect()
            if where == "on_disconnect":
                raise ZeroDivisionError(where)

    server = world.server(handler=Fails)
    world.pumps.remove(server.update)
    raised = []

    def bold_update() -> None:
        try:
            server.update()
        except ZeroDivisionError as error:
            raised.append(str(error))

    world.pumps.append(bold_update)
    alice, bob = world.join(server), world.join(server)
    alice.net_echo("hello")
    alice.disconnect()
    bob.net_echo("hello")
    world.until(lambda: not alice.there.connected and bob.there.messages_received)
    world.until(lambda: len(server.connections()) == 1)
    world.settle()
    assert raised == [where] * (1 if where == "on_disconnect" else 2)
    assert len(server.made) == 2
    for made in server.made:
        assert made.calls[0] == "on_connect"
        assert texts(made) == ["hello"]
    assert bob.connected
    world.pumps.remove(bold_update)
    if where == "on_disconnect":
        with pytest.raises(ZeroDivisionError):
            server.close()


def test_an_error_that_is_no_exception_goes_straight_out_and_loses_nothing(world: World) -> None:
    class Interrupted(Recorder):
        def net_echo(self, message: Any) -> None:
            super().on_receive(message)
            if message.text == 3:
                raise KeyboardInterrupt

    class Calm(net.Server):
        def handle_error(self, connection: Any, error: Exception) -> None:
            raise AssertionError("not for this")

    server = world.server(Calm, handler=Interrupted)
    alice = world.join(server)
    for number in range(6):
        alice.net_echo(number)
    with pytest.raises(KeyboardInterrupt):
        world.until(lambda: False)
    world.until(lambda: len(server.made[0].messages) == 6)
    assert texts(server.made[0]) == list(range(6))


def test_update_inside_a_handler_is_refused(world: World) -> None:
    class Impatient(Recorder):
        def net_echo(self, message: Any) -> None:
            super().on_receive(message)
            self.server.update()

    server = world.server(handler=Impatient)
    alice = world.join(server)
    alice.net_echo("one")
    with pytest.raises(RuntimeError, match=r"update\(\) was called from inside a handler"):
        world.until(lambda: False)
    server.update()
    assert texts(server.made[0]) == ["one"]


def test_another_ends_update_inside_a_handler_is_fine(world: World) -> None:
    class Proxy(Recorder):
        def net_echo(self, message: Any) -> None:
            super().on_receive(message)
            alice.client.update()

    server = world.server(handler=Proxy)
    alice = world.join(server)
    alice.net_echo("one")
    world.until(lambda: server.made[0].messages)


# -- how much, in which order


def test_no_more_than_256_messages_an_update(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice, bob = world.join(server), world.join(server)
    for number in range(1000):
        alice.net_echo(number)
    bob.net_echo("not starved")
    alice.client.update()
    bob.client.update()
    counts = []
    for _ in range(5):
        server.update()
        counts.append(len(server.made[0].messages))
    assert counts == [256, 512, 768, 1000, 1000]
    assert texts(server.made[0]) == list(range(1000))
    assert texts(server.made[1]) == ["not starved"]


@pytest.mark.parametrize("most", [1, 3, 100])
def test_the_limit_on_messages_an_update_is_a_limit(memory_world: World, most: int) -> None:
    world = memory_world
    server = world.server(limits=Limits(messages=most))
    alice = world.join(server)
    for number in range(250):
        alice.net_echo(number)
        if number % 40 == 0:
            alice.flush()
    alice.disconnect()
    seen = 0
    while not server.made[0].ended:
        server.update()
        assert len(server.made[0].messages) - seen <= most
        seen = len(server.made[0].messages)
        assert world.clock.now < 10_000
    assert texts(server.made[0]) == list(range(250))


def test_replies_leave_in_the_same_update(memory_world: World) -> None:
    class Echo(net.Handler):
        def net_echo(self, message: Any) -> None:
            self.connection.net_echo(message.text)

    world = memory_world
    server = world.server(handler=Echo)
    alice = world.join(server)
    alice.net_echo("there and back")
    alice.client.update()
    server.update()
    alice.client.update()
    assert texts(alice.handler) == ["there and back"]


def test_several_messages_in_one_packet(memory_world: World) -> None:
    world = memory_world
    server = world.server()
    alice = world.join(server)
    for text in ("a", "b", "c"):
        alice.net_echo(text)
    alice.client.update()
    server.update()
    assert texts(server.made[0]) == ["a", "b", "c"]
    assert alice.data_sent == alice.there.data_received == len(b'[[1,"a"],[1,"b"],[1,"c"]]')
    assert alice.messages_sent == alice.there.messages_received == 3
    alice.net_echo("d")
    alice.client.update()
    server.update()
    assert alice.data_sent == alice.there.data_received == len(b'[[1,"a"],[1,"b"],[1,"c"]]') + len(b'[1,"d"]')


def test_many_messages_in_many_packets(network_name: str, codec_name: str) -> None:
    with World(network_name, codec_name) as world:
        server = world.server()
        alice = world.join(server)
        expected = ["x" * (number % 700) for number in range(1500)]  # about 500 kB, so a dozen packets of 64 KiB
        for text in expected:
            assert alice.net_echo(text)
        world.until(lambda: len(server.made[0].messages) == 1500)
        assert texts(server.made[0]) == expected
        assert alice.data_sent == alice.there.data_received


def test_events_come_first_then_handlers_in_their_order(
    memory_world: World, posted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[Any] = []
    record = event.post
    assert record is not None

    def post(kind: int, connection: Any, **more: Any) -> None:
        record(kind, connection, **more)
        order.append(("event", kind, connection.connected))

    monkeypatch.setattr(event, "post", post)

    class Notes(net.Handler):
        def __init__(self, name: str) -> None:
            self.name = name

        def on_connect(self) -> None:
            order.append((self.name, "on_connect", self.connection.connected))

        def net_echo(self, message: Any) -> None:
            order.append((self.name, message.text, self.connection.connected))

        def on_disconnect(self) -> None:
            order.append((self.name, "on_disconnect", self.connection.connected))

    world = memory_world
    server = world.server(handler=lambda: Notes("first"))
    alice = world.connect(server, Notes("client"))
    alice.client.update()
    assert order == []
    server.update()
    assert order == [
        ("event", event.NET_ACCEPTED, True), ("event", event.NET_CONNECTED, True), ("first", "on_connect", True),
    ]  # fmt: skip
    order.clear()
    alice.client.update()
    assert order == [("event", event.NET_CONNECTED, True), ("client", "on_connect", True)]
    order.clear()
    (there,) = server.connections()
    there.add_handler(Notes("second"))
    alice.net_echo("a")
    alice.net_echo("b")
    alice.client.update()
    server.update()
    assert order == [
        ("event", event.NET_RECEIVED, True), ("first", "a", True), ("second", "a", True),
        ("event", event.NET_RECEIVED, True), ("first", "b", True), ("second", "b", True),
    ]  # fmt: skip
    order.clear()
    alice.disconnect(reason="done")
    server.update()
    assert order == [
        ("event", event.NET_DISCONNECTED, False), ("first", "on_disconnect", False), ("second", "on_disconnect", False),
    ]  # fmt: skip
    received = [entry for entry in posted if entry[0] == event.NET_RECEIVED]
    echo = server.message_factory.get_by_name("echo")
    assert [more for _, _, more in received] == [{"message": echo(t), "msg_type": echo} for t in ("a", "b")]
    assert {id(connection) for _, connection, _ in received} == {id(there)}
    (last,) = [entry for entry in posted if entry[0] == event.NET_DISCONNECTED]
    assert last[1] is there and last[2] == {"reason": there.reason} and there.reason.text == "done"


def test_events_without_any_handler(world: World, posted: list[Any]) -> None:
    factory = world.factory()
    server = world.server(handler=None, message_factory=factory)
    client = world.client(message_factory=factory)
    connection = client.connect(*server.address)
    connection.net_echo("hi")
    world.until(lambda: any(kind == event.NET_RECEIVED for kind, _, _ in posted))
    connection.disconnect()
    world.until(lambda: [kind for kind, _, _ in posted].count(event.NET_DISCONNECTED) == 2)
    world.settle()
    client_side = [kind for kind, which, _ in posted if which is connection]
    server_side = [kind for kind, which, _ in posted if which is not connection]
    assert client_side == [event.NET_CONNECTED, event.NET_DISCONNECTED]
    assert server_side == [event.NET_ACCEPTED, event.NET_CONNECTED, event.NET_RECEIVED, event.NET_DISCONNECTED]


def test_events_come_though_the_handler_cannot_be_made(memory_world: World, posted: list[Any]) -> None:
    class Fails(Recorder):
        def __init__(self) -> None:
            raise ZeroDivisionError

    world = memory_world
    server = world.server(handler=Fails)
    alice = world.connect(server)
    alice.client.update()
    with pytest.raises(ZeroDivisionError):
        server.update()
    server.update()
    assert [kind for kind, _, _ in posted][:2] == [event.NET_ACCEPTED, event.NET_CONNECTED]


@pytest.mark.parametrize("kicked", [True, False], ids=["kicked", "hostile"])
def test_nobody_is_reported_gone_who_was_not_reported_here(
    memory_world: World, posted: list[Any], kicked: bool
) -> None:
    class Ends(Recorder):
        def net_echo(self, message: Any) -> None:
            for connection in self.server.connections():
                connection.disconnect()

    world = memory_world
    server = world.server(handler=Ends)
    alice = world.join(server)
    posted.clear()
    bob = world.connect(server)
    alice.net_echo("everybody out")
    alice.client.update()  # dispatched before Bob, who is welcomed in the same update
    bob.client.update()
    if not kicked:
        bob._peer.send(b"\xc1\x63")
    server.update()
    world.until(lambda: bob.handler.ended and alice.handler.ended and not server.connections())
    world.pump()
    seen: dict[Any, list[int]] = {}
    for kind, connection, _ in posted:
        seen.setdefault(connection, []).append(kind)
    assert seen.pop(alice.there) == [event.NET_RECEIVED, event.NET_DISCONNECTED]
    assert seen.pop(alice) == [event.NET_DISCONNECTED]
    assert seen.pop(bob)[-1] == event.NET_DISCONNECTED
    assert seen in ({}, {k: [event.NET_ACCEPTED, event.NET_CONNECTED, event.NET_DISCONNECTED] for k in seen})


def test_a_handler_added_late_gets_what_comes_after(world: World) -> None:
    server = world.server()
    alice = world.join(server)
    alice.net_echo("before")
    world.until(lambda: server.made[0].messages)
    late = Recorder()
    alice.there.add_handler(late)
    alice.net_echo("after")
    world.until(lambda: late.messages)
    assert texts(late) == ["after"]
    assert texts(server.made[0]) == ["before", "after"]


def test_a_handler_added_in_a_handler(world: World) -> None:
    class Grows(Recorder):
        def net_echo(self, message: Any) -> None:
            super().on_receive(message)
            if not late.connection:
                self.connection.add_handler(late)

    late = Recorder()
    server = world.server(handler=Grows)
    alice = world.join(server)
    for number in range(3):
        alice.net_echo(number)
    world.until(lambda: len(server.made[0].messages) == 3)
    assert texts(server.made[0]) == [0, 1, 2]
    assert texts(late)[-2:] == [1, 2]


@pytest.mark.parametrize("wrong", [Recorder, object(), None, print])
def test_what_is_no_handler(memory_world: World, wrong: Any) -> None:
    alice = memory_world.join(memory_world.server())
    with pytest.raises(TypeError, match=r"add_handler\(\) takes an instance of a pygnetic\.Handler subclass"):
        alice.add_handler(wrong)


# -- which method, with which arguments


def got_by(handler: Any) -> list[Any]:
    """Send a message on channel 3 to a handler; return its `got`."""
    with World("memory") as world:
        factory = MessageFactory("json")
        factory.register("move", ("x",), channel=3)
        server = world.server(message_factory=factory)
        alice = world.join(server, handler)
        alice.there.net_move(7)
        world.settle(0)
        world.until(lambda: alice.messages_received == 1)
        got: list[Any] = handler.got
        return got


class Got(net.Handler):
    def __init__(self) -> None:
        self.got: list[Any] = []


def test_net_method_alone_is_called() -> None:
    class Mine(Got):
        def net_move(self, message: Any) -> None:
            self.got.append(message)

        def on_recive(self, message: Any) -> None:
            self.got.append("on_recive")

        def on_receive(self, message: Any) -> None:
            self.got.append("on_receive")

    assert got_by(Mine()) == [(7,)]


def test_net_method_with_any_keywords() -> None:
    class Mine(Got):
        def net_move(self, message: Any, **kwargs: Any) -> None:
            self.got.append((message.x, kwargs))

    assert got_by(Mine()) == [(7, {"channel": 3})]


def test_net_method_with_the_channel() -> None:
    class Mine(Got):
        def net_move(self, message: Any, channel: int = -1) -> None:
            self.got.append((message.x, channel))

    assert got_by(Mine()) == [(7, 3)]


def test_net_method_with_the_channel_by_keyword_only() -> None:
    class Mine(Got):
        def net_move(self, message: Any, *, channel: int) -> None:
            self.got.append((message.x, channel))

    assert got_by(Mine()) == [(7, 3)]


def test_net_method_with_another_default() -> None:
    class Mine(Got):
        def net_move(self, message: Any, scale: int = 2) -> None:
            self.got.append(message.x * scale)

    assert got_by(Mine()) == [14]


def test_net_method_that_is_static_or_of_the_class() -> None:
    class Mine(net.Handler):
        got: list[Any] = []

        @classmethod
        def net_move(cls, message: Any, **kwargs: Any) -> None:
            cls.got.append((message.x, kwargs))

    class Static(net.Handler):
        got: list[Any] = []

        @staticmethod
        def net_move(message: Any) -> None:
            Static.got.append(message.x)

    assert got_by(Mine()) == [(7, {"channel": 3})]
    assert got_by(Static()) == [7]


def test_net_method_that_is_inherited() -> None:
    class Base(Got):
        def net_move(self, message: Any) -> None:
            self.got.append(message.x)

    class Mine(Base):
        def on_receive(self, message: Any) -> None:
            self.got.append("on_receive")

    assert got_by(Mine()) == [7]


@pytest.mark.parametrize("keywords", ["none", "channel", "any"])
@pytest.mark.parametrize("names", [("on_recive",), ("on_receive",), ("on_recive", "on_receive")])
def test_the_2012_spelling_is_called_and_calls_the_other(names: tuple[str, ...], keywords: str) -> None:
    def method(name: str) -> Any:
        def plain(self: Any, message: Any) -> None:
            self.got.append((name, message.x, None))

        def channel_only(self: Any, message: Any, channel: int) -> None:
            self.got.append((name, message.x, channel))

        def anything(self: Any, message: Any, **kwargs: Any) -> None:
            self.got.append((name, message.x, kwargs["channel"]))

        return {"none": plain, "channel": channel_only, "any": anything}[keywords]

    mine = type("Mine", (Got,), {name: method(name) for name in names})
    assert got_by(mine()) == [(names[0], 7, None if keywords == "none" else 3)]


def test_on_recive_may_hand_on_to_its_default() -> None:
    class Mine(Got):
        def on_recive(self, message: Any, **kwargs: Any) -> None:
            self.got.append("on_recive")
            super().on_recive(message, **kwargs)

        def on_receive(self, message: Any, **kwargs: Any) -> None:
            self.got.append(("on_receive", message.x, kwargs))

    assert got_by(Mine()) == ["on_recive", ("on_receive", 7, {"channel": 3})]


def test_a_handler_without_any_method() -> None:
    assert got_by(Got()) == []


# -- broadcast


def test_broadcast_packs_once_and_is_called_like_send(memory_world: World) -> None:
    class Counts:
        wire_name = "json"
        packed = 0

        def __init__(self) -> None:
            self.json = net.serialization.get_adapter("json")
            self.unpack, self.unpacker, self.join = self.json.unpack, self.json.unpacker, self.json.join

        def pack(self, value: Any) -> bytes:
            self.packed += 1
            data: bytes = self.json.pack(value)
            return data

    codec = Counts()
    factory = MessageFactory(codec)
    chat = factory.register("chat", ("who", "text"))
    world = memory_world
    server = world.server(message_factory=factory, conn_limit=20)
    players = [world.join(server) for _ in range(20)]
    assert server.broadcast("chat", "Tom", "by name") == 20
    assert codec.packed == 1
    assert server.broadcast(chat, "Tom", text="by class") == 20
    assert server.broadcast(chat("Tom", "ready")) == 20
    assert server.broadcast("chat", text="keywords", who="Tom", exclude=[players[5].there]) == 19
    assert codec.packed == 4
    assert server.broadcast("chat", "Tom", "nobody", exclude=server.connections()) == 0
    world.settle(0)
    world.until(lambda: len(players[0].handler.messages) == 4)
    for number, player in enumerate(players):
        expected = ["by name", "by class", "ready"] + (["keywords"] if number != 5 else [])
        assert [tuple(message) for message in player.handler.messages] == [("Tom", text) for text in expected]


def test_broadcast_inside_a_handler_keeps_the_order_with_send(world: World) -> None:
    class Chat(Recorder):
        def net_echo(self, message: Any) -> None:
            self.connection.net_echo("to you 1")
            self.server.broadcast("echo", "to all", exclude=[])
            self.connection.net_echo("to you 2")
            self.server.broadcast("echo", "to the others", exclude=[self.connection])

    server = world.server(handler=Chat)
    alice, bob = world.join(server), world.join(server)
    alice.net_echo("go")
    world.until(lambda: len(alice.handler.messages) == 3 and len(bob.handler.messages) == 2)
    assert texts(alice.handler) == ["to you 1", "to all", "to you 2"]
    assert texts(bob.handler) == ["to all", "to the others"]


def test_broadcast_does_not_reach_who_is_leaving_or_not_here_yet(world: World) -> None:
    server = world.server()
    alice, bob = world.join(server), world.join(server)
    carol = world.connect(server)
    alice.there.disconnect()
    assert server.broadcast("echo", "hi") == 1
    world.until(lambda: bob.handler.messages and alice.handler.ended and carol.connected)
    assert alice.handler.messages == carol.handler.messages == []


def test_broadcast_of_what_cannot_be_sent_raises_and_sends_nothing(world: World) -> None:
    server = world.server()
    alice = world.join(server)
    with pytest.raises(ValueError, match="did you mean 'echo'"):
        server.broadcast("ecko", "hi")
    with pytest.raises(TypeError, match="text"):
        server.broadcast("echo")
    with pytest.raises(TypeError):
        server.broadcast("echo", "one", "two")
    with pytest.raises(TypeError, match="'text'"):
        server.broadcast("echo", object())
    with pytest.raises(MessageTooLarge, match="65536"):
        server.broadcast("echo", "x" * 70_000)
    other = world.factory(other=("a",)).get_by_name("other")
    with pytest.raises(ValueError, match="other"):
        server.broadcast(other(1))
    with pytest.raises(ValueError, match="takes a message class"):
        server.broadcast(["echo", "hi"])
    assert server.broadcast("echo", "fine") == 1
    world.until(lambda: alice.handler.messages)
    assert texts(alice.handler) == ["fine"]


def test_broadcast_to_nobody(memory_world: World) -> None:
    assert memory_world.server().broadcast("echo", "hello?") == 0


# -- counters


def test_counters_count_messages_and_the_bytes_of_their_packets(network_name: str, codec_name: str) -> None:
    with World(network_name, codec_name) as world:
        server = world.server()
        alice = world.join(server)
        there = alice.there
        assert alice.data_sent == alice.data_received == there.data_sent == there.data_received == 0
        size = 0
        for number in range(5):
            echo = server.message_factory.get_by_name("echo")
            size += len(server.message_factory.pack(echo("x" * number)))
            alice.net_echo("x" * number)
            world.until(lambda: there.messages_received == number + 1)  # noqa: B023 (called now)
        assert (alice.messages_sent, there.messages_received) == (5, 5)
        assert (there.messages_sent, alice.messages_received) == (0, 0)
        assert alice.data_sent == there.data_received == size
        assert alice.data_received == there.data_sent == 0


def test_nothing_is_logged_for_each_message(memory_world: World, caplog: pytest.LogCaptureFixture) -> None:
    world = memory_world
    server = world.server()
    alice = world.join(server)
    with caplog.at_level(logging.INFO):
        for number in range(100):
            alice.net_echo(number)
            world.pump()
        world.until(lambda: len(server.made[0].messages) == 100)
    assert caplog.records == []


def test_a_server_on_a_given_port_says_where_it_is(memory_world: World) -> None:
    server = memory_world.server(port=12345)
    assert server.address == (HOST, 12345)
