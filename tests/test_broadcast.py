"""broadcast(): packed once, called like send(), to everybody who is here."""

from __future__ import annotations

from typing import Any

import pytest
from memory_pair import Pair
from world import Recorder, World, texts

import pygnetic as net
from pygnetic.errors import MessageTooLarge
from pygnetic.message import MessageFactory


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


def test_broadcasts_of_what_is_no_message(pair: Pair) -> None:
    for wrong in ({"a": 1}, ("Tom", "hi"), None):
        with pytest.raises(ValueError, match=r"^broadcast\(\) takes a message class, its name or a message, not "):
            pair.server.broadcast(wrong)
    with pytest.raises(ValueError, match=r"no message 'nothing' is registered for this server; register\(\) it"):
        pair.server.broadcast("nothing")
    with pytest.raises(ValueError, match=r"^this chat_msg was registered with another MessageFactory"):
        pair.server.broadcast(MessageFactory("json").register("chat_msg"))


def test_a_ready_message_has_its_fields(pair: Pair, factory: MessageFactory) -> None:
    far = factory.get_by_name("far")
    assert pair.server.broadcast(far("hi")) == 1
    with pytest.raises(TypeError, match=r"broadcast\(\) got far complete, and fields besides"):
        pair.server.broadcast(far("hi"), "more")
