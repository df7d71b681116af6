"""How messages reach handlers and events: once each, in order, and so many an update."""

from __future__ import annotations

from typing import Any

import pytest
from world import Recorder, World, texts

import pygnetic as net
from pygnetic import event
from pygnetic.limits import Limits


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Return the events that would go to pygame: (net_type, connection, attributes)."""
    events: list[tuple[Any, ...]] = []
    monkeypatch.setattr(event, "post", lambda kind, connection, **more: events.append((kind, connection, more)))
    return events


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
