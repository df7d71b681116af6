"""Server: its handlers and factory, connections() and handlers()."""

from __future__ import annotations

import gc
from functools import partial

import pytest
from world import HOST, Recorder, World, texts

import pygnetic as net
from pygnetic import event

# -- its address


def test_a_server_on_a_given_port_says_where_it_is(memory_world: World) -> None:
    server = memory_world.server(port=12345)
    assert server.address == (HOST, 12345)


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


def test_a_server_keeps_the_factory_that_it_was_made_with(world: World) -> None:
    server = world.server()
    first = server.message_factory
    server.message_factory = world.factory(other=("a", "b"))
    alice = world.join(server, message_factory=first)
    assert server.broadcast("echo", "hi") == 1
    alice.net_echo("here")
    world.until(lambda: alice.handler.messages and server.made[0].messages)


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
