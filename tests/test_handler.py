"""Handlers: which of their methods is called, and with what."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from memory_pair import Pair
from world import World

import pygnetic as net
from pygnetic.handler import Handler
from pygnetic.message import MessageFactory

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


@pytest.fixture
def factory() -> MessageFactory:
    factory = MessageFactory("json")
    factory.register("chat", ("text",), channel=3)
    factory.register("other", ("text",))
    return factory


@pytest.fixture
def receive(factory: MessageFactory) -> Iterator[Any]:
    """Let a handler class receive chat('hi') and return what its ``got`` holds then."""
    pairs = []

    def receive(handler_class: type[Any], message: str = "chat") -> Any:
        pairs.append(Pair(factory, handler_class))
        pairs[-1].open().connection.send(message, "hi")
        pairs[-1].update()
        return pairs[-1].server.handlers()[0].got

    yield receive
    for pair in pairs:
        pair.__exit__(None, None, None)


class Base(Handler):
    def __init__(self) -> None:
        self.got: list[Any] = []


def test_a_method_of_the_message_s_name(receive: Any) -> None:
    class Mine(Base):
        def net_chat(self, message: Any) -> None:
            self.got.append(message)

    assert receive(Mine) == [("hi",)]
    assert receive(Mine, "other") == []


def test_all_keywords(receive: Any) -> None:
    class Mine(Base):
        def net_chat(self, message: Any, **kwargs: Any) -> None:
            self.got.append((message, kwargs))

    assert receive(Mine) == [(("hi",), {"channel": 3})]


def test_the_channel_alone(receive: Any) -> None:
    class Mine(Base):
        def net_chat(self, message: Any, channel: int) -> None:
            self.got.append(channel)

    class KeywordOnly(Base):
        def net_chat(self, message: Any, *, channel: int = -1, wire: str = "default") -> None:
            self.got.append((channel, wire))

    assert receive(Mine) == [3]
    assert receive(KeywordOnly) == [(3, "default")]


def test_names_of_parameters_are_free(receive: Any) -> None:
    class Mine(Base):
        def net_chat(this, channel: Any) -> None:  # noqa: N805
            this.got.append(channel)

        def on_receive(channel, message: Any) -> None:  # noqa: N805
            channel.got.append(message)

    class WithKeywords(Base):
        def net_chat(self, channel: Any, **kwargs: Any) -> None:
            self.got.append(channel)

    assert receive(Mine) == [("hi",)]
    assert receive(Mine, "other") == [("hi",)]
    # a message parameter of that name and the keyword cannot both be had
    assert receive(WithKeywords) == [("hi",)]


def test_other_arguments(receive: Any) -> None:
    class Stars(Base):
        def net_chat(self, *args: Any) -> None:
            self.got.append(args)

    class PositionalOnly(Base):
        def net_chat(self, message: Any, channel: int = -1, /) -> None:
            self.got.append(channel)

    assert receive(Stars) == [(("hi",),)]
    assert receive(PositionalOnly) == [-1]


def test_inherited_and_mixed_in(receive: Any) -> None:
    class Mixin:
        def net_chat(self, message: Any) -> None:
            self.got.append(message)  # type: ignore[attr-defined]

    class Parent(Base, Mixin):
        pass

    class Child(Parent):
        def net_chat(self, message: Any) -> None:
            super().net_chat(message)
            self.got.append("child")

    assert receive(Parent) == [("hi",)]
    assert receive(Child) == [("hi",), "child"]


def test_what_is_no_plain_method(receive: Any) -> None:
    got: list[Any] = []

    class Static(Base):
        @staticmethod
        def net_chat(message: Any) -> None:
            got.append(("static", message))

    class Class(Base):
        @classmethod
        def net_chat(cls, message: Any, channel: int) -> None:
            got.append((cls.__name__, channel))

    class Partial(Base):
        net_chat = functools.partialmethod(lambda self, word, message: got.append(word), "partial")

    class Property(Base):
        @property
        def net_chat(self) -> Any:
            return lambda message, **kwargs: got.append(kwargs)

    class Builtin(Base):
        net_chat = deque[Any]().append

        @property
        def got_all(self) -> Any:
            return list(self.net_chat.__self__)

    for handler_class in (Static, Class, Partial, Property):
        receive(handler_class)
    assert got == [("static", ("hi",)), ("Class", 3), "partial", {"channel": 3}]
    receive(Builtin)
    assert list(Builtin.net_chat.__self__) == [("hi",)]


def test_a_decorated_method_is_called_as_the_one_inside(receive: Any) -> None:
    def twice(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> None:
            function(*args, **kwargs)
            function(*args, **kwargs)

        return wrapper

    class Mine(Base):
        @twice
        def net_chat(self, message: Any) -> None:
            self.got.append(message)

    assert receive(Mine) == [("hi",), ("hi",)]


# -- messages without a method


def test_on_receive(receive: Any) -> None:
    class Mine(Base):
        def on_receive(self, message: Any) -> None:
            self.got.append(message)

    class WithKeywords(Base):
        def on_receive(self, message: Any, **kwargs: Any) -> None:
            self.got.append((message, kwargs))

        def net_chat(self, message: Any) -> None:
            raise AssertionError

    assert receive(Mine) == [("hi",)]
    assert receive(WithKeywords, "other") == [(("hi",), {"channel": 0})]


def test_on_recive_goes_first(receive: Any) -> None:
    class Mine(Base):
        def on_recive(self, message: Any, **kwargs: Any) -> None:
            self.got.append(("2012", message, kwargs))

        def on_receive(self, message: Any, **kwargs: Any) -> None:
            self.got.append("new")

    class Both(Mine):
        def on_recive(self, message: Any, **kwargs: Any) -> None:
            super().on_recive(message, **kwargs)
            Handler.on_recive(self, message, **kwargs)

    class Narrow(Base):
        def on_recive(self, message: Any) -> None:
            self.got.append(message)

    assert receive(Mine) == [("2012", ("hi",), {"channel": 3})]
    assert receive(Both) == [("2012", ("hi",), {"channel": 3}), "new"]
    assert receive(Narrow) == [("hi",)]


def test_the_default_of_on_recive_calls_on_receive() -> None:
    class Mine(Base):
        def on_receive(self, message: Any) -> None:
            self.got.append(message)

    handler = Mine()
    handler.on_recive("message", channel=1)
    assert handler.got == ["message"]
    Handler().on_recive("message", channel=1)  # the default of that does nothing


def test_a_handler_may_ignore_everything(factory: MessageFactory) -> None:
    with Pair(factory, Handler, client_handler=Handler()) as pair:
        pair.open().connection.net_chat("hi")
        pair.update(2)
        assert pair.remote.messages_received == 1


def test_no_handler_at_all(factory: MessageFactory) -> None:
    with Pair(factory) as pair:
        pair.open().connection.net_chat("hi")
        pair.update(2)
        assert pair.server.handlers() == []
        assert pair.remote.messages_received == 1


def test_a_handler_knows_its_connection_and_server(factory: MessageFactory) -> None:
    with Pair(factory, Handler, client_handler=(mine := Handler())) as pair:
        pair.open()
        [theirs] = pair.server.handlers()
        assert mine.connection.id == pair.connection.id and mine.server is None
        assert theirs.connection.id == pair.remote.id and theirs.server.address == pair.server.address
        assert Handler.connection is None and Handler.server is None
        assert type(theirs.connection).__name__ == type(theirs.server).__name__ == "ProxyType"


def test_the_server_s_handler_is_read_at_each_accept(factory: MessageFactory) -> None:
    class Other(Handler):
        pass

    with Pair(factory, Handler) as pair:
        pair.server.handler = Other
        pair.open()
        assert type(pair.server.handlers()[0]) is Other
        assert net.Server.handler is None
