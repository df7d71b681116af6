"""Values that cannot be sent: each is named, with its field and what to send instead."""

from collections import namedtuple
from types import SimpleNamespace
from typing import Any

import pytest
from memory_pair import Pair

import pygnetic as net
from pygnetic.handler import Handler
from pygnetic.message import MessageFactory


def fake(module: str, name: str, *bases: type) -> Any:
    """Return a class that looks like one of a library that is not installed here."""
    return type(name, bases, {"__module__": module})


class Keys(tuple[bool, ...]):
    """As pygame's key.get_pressed(): 512 bools. That of pygame-ce raises when it is gone through."""

    def __iter__(self) -> Any:
        raise TypeError("Iterating over key states is not supported")


Keys.__name__, Keys.__module__ = "ScancodeWrapper", "pygame.key"
KEYS = [fake("pygame.key", "ScancodeWrapper", tuple)([False] * 512), Keys([False] * 512)]
CHOOSE = "which cannot be sent; send the keys that matter, such as [keys[pygame.K_LEFT], keys[pygame.K_RIGHT]]"


@pytest.fixture
def factory(codec_name: str) -> MessageFactory:
    factory = MessageFactory(codec_name)
    factory.register("echo", ("text",))
    factory.register("say", ("who", "text"))
    factory.register("ready")
    return factory


@pytest.fixture
def ways(factory: MessageFactory) -> Any:
    """Return all the ways to send a message."""
    pair = Pair(factory, Handler)
    connection = pair.open().connection
    yield [
        lambda name, *fields: getattr(connection, f"net_{name}")(*fields),
        lambda name, *fields: connection.send(name, *fields),
        lambda name, *fields: connection.send(factory.get_by_name(name)(*fields)),
        lambda name, *fields: pair.server.broadcast(name, *fields),
        lambda name, *fields: factory.pack(factory.get_by_name(name)(*fields)),
    ]
    pair.__exit__(None, None, None)


def refused(ways: Any, name: str, *fields: Any, error: type[Exception] = TypeError) -> str:
    said = set()
    for send in ways:
        with pytest.raises(error) as caught:
            send(name, *fields)
        said.add(str(caught.value))
    [text] = said
    return text


@pytest.mark.parametrize("keys", KEYS)
def test_all_the_keys_of_pygame(ways: Any, keys: Any) -> None:
    told = f"say(who, text): field 'text' is a pygame.key.ScancodeWrapper, {CHOOSE}"
    assert refused(ways, "say", "Tom", keys) == told
    for held in ([keys], {"keys": keys}, [[1] * 100, keys], (1, [2, (3, keys)])):
        told = f"say(who, text): field 'who' holds a pygame.key.ScancodeWrapper, {CHOOSE}"
        assert refused(ways, "say", held, "hi") == told


def test_the_keys_of_the_pygame_that_is_here(ways: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame = pytest.importorskip("pygame")
    pygame.display.init()
    try:
        assert refused(ways, "echo", pygame.key.get_pressed()).endswith(CHOOSE)
    finally:
        pygame.display.quit()


@pytest.mark.parametrize("name", ["bool", "bool_", "int64", "ndarray"])
def test_what_numpy_makes(ways: Any, name: str) -> None:
    value = fake("numpy", name)()
    cure = "which cannot be sent; its tolist() can"
    assert refused(ways, "echo", value) == f"echo(text): field 'text' is a numpy.{name}, {cure}"
    assert refused(ways, "echo", [value]) == f"echo(text): field 'text' holds a numpy.{name}, {cure}"


def test_numpy_itself(ways: Any) -> None:
    numpy = pytest.importorskip("numpy")
    for value in (numpy.bool_(True), numpy.int64(1), numpy.zeros(3)):
        assert refused(ways, "echo", value).endswith("its tolist() can")
        for send in ways:
            send("echo", value.tolist())


def test_a_class_is_named_with_its_module(ways: Any) -> None:
    cure = "which cannot be sent; send numbers, strings, bytes, None, and lists and dicts of these"
    ship = fake("game.ships", "Ship")()
    assert refused(ways, "echo", ship) == f"echo(text): field 'text' is a game.ships.Ship, {cure}"
    assert refused(ways, "echo", {1}) == f"echo(text): field 'text' is a set, {cure}"
    assert refused(ways, "echo", [{1}]) == f"echo(text): field 'text' holds a set, {cure}"
    assert refused(ways, "echo", fake("__main__", "Ship")()) == f"echo(text): field 'text' is a Ship, {cure}"


def test_a_whole_message_where_a_field_is_wanted(ways: Any, factory: MessageFactory) -> None:
    echo, say, ready = map(factory.get_by_name, ("echo", "say", "ready"))
    other = MessageFactory("json").register("move", ("x", "y"))
    assert refused(ways, "echo", echo("hi")) == (
        "echo(text): field 'text' is a whole echo(text) message; send(message) sends that as it is, and message.text "
        "is its field"
    )
    assert refused(ways, "say", "Tom", say("Tom", "hi")) == (
        "say(who, text): field 'text' is a whole say(who, text) message; send(message) sends that as it is, and "
        "message.who is its field"
    )
    assert refused(ways, "echo", ready()) == (
        "echo(text): field 'text' is a whole ready() message; send(message) sends that as it is"
    )
    assert "is a whole move(x, y) message" in refused(ways, "echo", other(1, 2))


def test_namedtuples_and_messages_in_lists_are_lists_there(factory: MessageFactory) -> None:
    point = namedtuple("point", "x y")
    echo, say = factory.get_by_name("echo"), factory.get_by_name("say")
    assert factory.unpack(factory.pack(echo(point(1, 2)))) == ([1, 2],)
    assert factory.unpack(factory.pack(echo([say("a", "b")]))) == ([["a", "b"]],)


def test_a_container_that_raises_names_its_field(ways: Any) -> None:
    class Odd(list[int]):
        def __iter__(self) -> Any:
            raise RuntimeError("odd")

    assert refused(ways, "say", "Tom", Odd([1])) == "say(who, text): field 'text' cannot be sent: odd"


# -- field_names


@pytest.mark.parametrize("fields", [{"x", "y"}, frozenset({"x", "y"})])
def test_a_set_of_names_has_no_order(fields: Any) -> None:
    factory = MessageFactory("json")
    with pytest.raises(ValueError) as caught:
        factory.register("move", fields)
    assert str(caught.value) == (
        "register('move', ...): a set has another order in each program; give the fields as a tuple: ('x', 'y')"
    )
    assert factory.classes == []


def test_what_has_an_order_is_taken() -> None:
    factory = MessageFactory("json")
    assert factory.register("move", {"x": 1, "y": 2}.keys())._fields == ("x", "y")
    assert factory.register("stop", {"x": int})._fields == ("x",)


# -- classes that are none


@pytest.mark.parametrize("name", ["Echo", "echo"])
def test_a_subclass_of_a_message_class(factory: MessageFactory, name: str) -> None:
    echo = factory.get_by_name("echo")
    mine: Any = type(name, (echo,), {})
    told = f"{name} is a subclass of the message class echo; only that can be sent, such as echo(*message)"
    with Pair(factory, Handler) as pair:
        connection = pair.open().connection
        for use in (
            lambda: connection.send(mine("hi")),
            lambda: connection.send(mine, "hi"),
            lambda: pair.server.broadcast(mine("hi")),
            lambda: factory.pack(mine("hi")),
            lambda: factory.get_type_id(mine),
        ):
            with pytest.raises(ValueError) as caught:
                use()
            assert str(caught.value) == told
        assert connection.send(echo(*mine("hi")))


def test_register_is_called_on_the_class() -> None:
    register: Any = MessageFactory.register
    for call in (
        lambda: register("chat_msg", ("player", "msg")),
        lambda: register("chat_msg", field_names=("player", "msg"), name="x"),
        lambda: register(SimpleNamespace(), "chat_msg"),
    ):
        with pytest.raises(TypeError) as caught:
            call()
        assert str(caught.value) == (
            "register() belongs to a MessageFactory object: factory = MessageFactory(), then "
            "factory.register('chat_msg', ('player', 'msg')); or pygnetic.register(), which has one"
        )
    assert net.register("chat_msg", ("player", "msg"))
