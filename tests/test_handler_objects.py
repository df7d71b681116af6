"""Methods that are on the object, and not on its class, are called: 2012 looked them up for each message."""

import functools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from memory_pair import Pair

from pygnetic.handler import Handler
from pygnetic.message import MessageFactory


@pytest.fixture
def factory() -> MessageFactory:
    factory = MessageFactory("json")
    factory.register("chat", ("text",), channel=3)
    factory.register("other", ("text",))
    return factory


@pytest.fixture
def make_pair(factory: MessageFactory) -> Iterator[Callable[..., Pair]]:
    pairs: list[Pair] = []

    def make_pair(handler: Handler, *more: Handler) -> Pair:
        pairs.append(Pair(factory, Handler, client_handler=handler))
        for another in more:
            pairs[-1].connection.add_handler(another)
        return pairs[-1]

    yield make_pair
    for pair in pairs:
        pair.__exit__(None, None, None)


def say(pair: Pair, *names: str) -> None:
    """Let the server send messages, in one packet for each channel, and the client handle them."""
    for name in names:
        pair.remote.send(name, "hi")
    pair.update(2)


class Player(Handler):
    def __init__(self) -> None:
        self.got: list[Any] = []

    def net_chat(self, message: Any) -> None:
        self.got.append("class")

    def on_receive(self, message: Any) -> None:
        self.got.append("on_receive")


class Quiet(Handler):
    def __init__(self) -> None:
        self.got: list[Any] = []


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("handler_class", [Player, Quiet])
@pytest.mark.parametrize("name", ["chat", "other"])
def test_a_net_method_on_the_object(
    make_pair: Any, alone: bool, late: bool, handler_class: type[Any], name: str
) -> None:
    handler = handler_class()
    other = handler_class()
    pair = make_pair(handler, *([] if alone else [other])) if late else None
    setattr(handler, f"net_{name}", lambda message: handler.got.append(message.text))
    pair = pair or make_pair(handler, *([] if alone else [other]))
    pair.open()
    say(pair, name)
    assert handler.got == ["hi"]
    if not alone:
        assert "hi" not in other.got


@pytest.mark.parametrize("when", ["before", "after", "open"])
@pytest.mark.parametrize("spelling", ["on_recive", "on_receive"])
@pytest.mark.parametrize("handler_class", [Player, Quiet])
def test_on_receive_on_the_object(make_pair: Any, when: str, spelling: str, handler_class: type[Any]) -> None:
    handler = handler_class()
    pair = None
    if when != "before":
        pair = make_pair(handler)
        if when == "open":
            pair.open()
            say(pair, "chat", "other")
            handler.got.clear()
    setattr(handler, spelling, lambda message, **kwargs: handler.got.append((message.text, kwargs)))
    pair = (pair or make_pair(handler)).open()
    say(pair, "other")
    assert handler.got == [("hi", {"channel": 0})]


def test_on_recive_of_the_class_goes_before_on_receive_of_the_object(make_pair: Any) -> None:
    class Old(Player):
        def on_recive(self, message: Any, **kwargs: Any) -> None:
            self.got.append("on_recive")

    handler: Any = Old()
    handler.on_receive = lambda message: handler.got.append("object")
    say(make_pair(handler).open(), "other")
    assert handler.got == ["on_recive"]


@pytest.mark.parametrize("late", [True, False])
def test_on_connect_and_on_disconnect_on_the_object(make_pair: Any, late: bool) -> None:
    handler: Any = Quiet()
    pair = make_pair(handler) if late else None
    handler.on_connect = lambda: handler.got.append("on_connect")
    handler.on_disconnect = lambda: handler.got.append("on_disconnect")
    pair = pair or make_pair(handler)
    pair.open().connection.disconnect()
    pair.update(2)
    assert handler.got == ["on_connect", "on_disconnect"]


def test_a_method_on_the_object_gets_the_keywords_that_it_can_take(make_pair: Any) -> None:
    handler: Any = Quiet()
    pair = make_pair(handler).open()
    takes: list[tuple[Callable[..., Any], Any]] = [
        (lambda message, channel: handler.got.append(channel), 3),
        (lambda message, **kwargs: handler.got.append(kwargs), {"channel": 3}),
        (lambda *args: handler.got.append(len(args)), 1),
        (functools.partial(lambda word, message: handler.got.append(word), "word"), "word"),
        (handler.got.append, ("hi",)),
    ]
    for method, told in takes:
        handler.net_chat = method
        say(pair, "chat")
        assert handler.got.pop() == told


def test_a_handler_that_changes_its_methods(make_pair: Any) -> None:
    class Lobby(Player):
        def net_other(self, message: Any) -> None:
            self.net_chat = self.in_game  # type: ignore[method-assign]

        def in_game(self, message: Any) -> None:
            self.got.append("in game")
            del self.net_chat

    handler = Lobby()
    pair = make_pair(handler).open()
    say(pair, "chat", "chat")
    say(pair, "other")
    say(pair, "chat", "chat", "chat")
    assert handler.got == ["class", "class", "in game", "class", "class"]


def test_one_object_has_a_method_and_another_of_its_class_has_not(factory: MessageFactory) -> None:
    with Pair(factory, Player) as pair:
        other = pair.client
        del other
        pair.open()
        [here] = pair.server.handlers()
        here.net_chat = lambda message: here.got.append("object")
        pair.connection.net_chat("hi")
        pair.update()
        assert here.got == ["object"]
        del here.net_chat
        pair.connection.net_chat("hi")
        pair.update()
        assert here.got == ["object", "class"]


# -- __getattr__


class Delegating(Handler):
    """As a program of 2012 had it: what it has not got is looked for in its game."""

    def __init__(self, game: Any) -> None:
        self.game = game

    def __getattr__(self, name: str) -> Any:
        return getattr(self.game, name)


@pytest.mark.parametrize("more", [0, 1])
def test_a_handler_s_own_getattr(make_pair: Any, more: int) -> None:
    got: list[Any] = []
    game = SimpleNamespace(net_chat=lambda message, **kwargs: got.append((message.text, kwargs)))
    handler = Delegating(game)
    handler.on_receive = lambda message: got.append("on_receive")  # type: ignore[method-assign, assignment]
    pair = make_pair(handler, *[Handler()] * more).open()
    say(pair, "chat")
    say(pair, "other")
    assert got == [("hi", {"channel": 3}), "on_receive"]
    game.net_other = lambda message: got.append("other")
    del got[:]
    say(pair, "other")
    assert got == ["other"]


def test_a_method_of_the_class_goes_before_getattr(make_pair: Any) -> None:
    class Both(Player):
        def __getattr__(self, name: str) -> Any:
            if name == "net_other":
                return lambda message: self.got.append("getattr")
            raise AttributeError(name)

    handler = Both()
    pair = make_pair(handler).open()
    say(pair, "chat")
    say(pair, "other")
    assert handler.got == ["class", "getattr"]


def test_a_handler_s_own_getattribute(make_pair: Any) -> None:
    class Watching(Player):
        def __getattribute__(self, name: str) -> Any:
            if name == "net_chat":
                return lambda message: self.got.append("getattribute")
            return super().__getattribute__(name)

    handler = Watching()
    say(make_pair(handler).open(), "chat")
    assert handler.got == ["getattribute"]


def test_what_getattr_raises_is_the_handler_s_error(make_pair: Any) -> None:
    class Table(Handler):
        def __getattr__(self, name: str) -> Any:
            return {"net_chat": print}[name]

    pair = make_pair(Table()).open()
    pair.remote.send("other", "hi")
    pair.server.update()
    with pytest.raises(KeyError, match="net_other"):
        pair.client.update()
    assert pair.connection.connected


def test_a_method_set_by_another_message_of_the_same_packet() -> None:
    class Starting(Player):
        def net_chat(self, message: Any) -> None:
            self.net_other = lambda message: self.got.append("set")

    factory = MessageFactory("json")
    factory.register("chat", ("text",))
    factory.register("other", ("text",))
    handler = Starting()
    with Pair(factory, Handler, client_handler=handler) as pair:
        pair.open()
        say(pair, "chat", "other", "other")
    assert handler.got == ["set", "set"]
