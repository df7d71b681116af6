"""A method that cannot be called is told when its handler is added, and not at the first message."""

import functools
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

import pygnetic as net
from pygnetic.message import MessageFactory


@pytest.fixture
def factory() -> MessageFactory:
    factory = MessageFactory("json")
    factory.register("chat_msg", ("player", "msg"))
    factory.register("ready")
    return factory


def mistake(factory: MessageFactory, handler_class: Any) -> str:
    """Return what is said of a handler class, by a Server and by add_handler() alike."""
    options: dict[str, Any] = {"message_factory": factory, "n_adapter": "memory"}
    with pytest.raises(TypeError) as at_server:
        net.Server(handler=handler_class, **options)
    with net.Server(**options) as server, net.Client(**options) as client:
        connection = client.connect(*server.address)
        for _ in range(2):  # and not the first time only
            handler = handler_class()
            with pytest.raises(TypeError) as at_client:
                connection.add_handler(handler)
            assert str(at_client.value) == str(at_server.value)
            assert handler.connection is None
        for _ in range(3):
            client.update()
            server.update()
        assert connection.connected
    return str(at_client.value)


def accept(factory: MessageFactory, handler_class: Any) -> None:
    """See that nothing is said of a handler class, and that its methods are called."""
    options: dict[str, Any] = {"message_factory": factory, "n_adapter": "memory"}
    with net.Server(handler=handler_class, **options) as server, net.Client(**options) as client:
        connection = client.connect(*server.address)
        connection.add_handler(handler_class())
        for step in range(6):
            client.update()
            server.update()
            if step == 2:
                connection.net_chat_msg("Tom", "hi")
                connection.net_ready()
        assert server.connections()[0].messages_received == 2


def handler_class(name: str, method: Any) -> Any:
    return type("Player", (net.Handler,), {name: method})


def too_many(self: Any, player: str, msg: str) -> None: ...
def too_few(self: Any) -> None: ...
def no_self(message: Any) -> None: ...
def a_keyword(self: Any, message: Any, *, player: str) -> None: ...
def a_generator(self: Any, message: Any) -> Any:
    yield


async def a_coroutine(self: Any, message: Any) -> None: ...
async def both(self: Any, message: Any) -> Any:
    yield


def needs_one(message: Any, /) -> None: ...


@pytest.mark.parametrize(
    ("method", "told"),
    [
        (too_many, "Player.net_chat_msg(self: Any, player: str, msg: str) -> None cannot be called with a message; "),
        (too_few, "Player.net_chat_msg(self: Any) -> None cannot be called with a message; "),
        (no_self, "Player.net_chat_msg(message: Any) -> None cannot be called with a message; "),
        (a_keyword, "Player.net_chat_msg(self: Any, message: Any, *, player: str) -> None cannot be called with a me"),
        (staticmethod(too_many), "Player.net_chat_msg(self: Any, player: str, msg: str) -> None cannot be called "),
        (classmethod(too_many), "Player.net_chat_msg(player: str, msg: str) -> None cannot be called with a message; "),
        (a_generator, "Player.net_chat_msg() has a yield in it, so that a call runs nothing of it; "),
        (staticmethod(a_generator), "Player.net_chat_msg() has a yield in it, so that a call runs nothing of it; "),
        (a_coroutine, "Player.net_chat_msg() is an async def, and nothing awaits it; "),
        (both, "Player.net_chat_msg() is an async def, and nothing awaits it; "),
        ("a text", "Player.net_chat_msg is 'a text', which cannot be called; "),
        (None, "Player.net_chat_msg is None, which cannot be called; "),
    ],
)
def test_a_method_for_a_message(factory: MessageFactory, method: Any, told: str) -> None:
    said = mistake(factory, handler_class("net_chat_msg", method))
    assert said.startswith(told)
    first = {staticmethod: "", classmethod: "cls, "}.get(type(method), "self, ")
    assert said.endswith(f"; write def net_chat_msg({first}message), and read message.player and message.msg")


@pytest.mark.parametrize(
    ("name", "method", "cure"),
    [
        ("net_ready", too_many, "def net_ready(self, message)"),
        ("on_receive", too_many, "def on_receive(self, message)"),
        ("on_recive", too_few, "def on_recive(self, message)"),
        ("on_recive", a_coroutine, "def on_recive(self, message)"),
        ("on_receive", a_generator, "def on_receive(self, message)"),
        ("on_connect", a_coroutine, "def on_connect(self)"),
        ("on_connect", too_many, "def on_connect(self)"),
        ("on_disconnect", lambda self, reason: None, "def on_disconnect(self), and read self.connection.reason"),
    ],
)
def test_the_other_methods(factory: MessageFactory, name: str, method: Any, cure: str) -> None:
    said = mistake(factory, handler_class(name, method))
    assert said.startswith(f"Player.{name}(")
    assert said.endswith(f"; write {cure}")


def test_methods_that_nothing_calls_may_be_anything(factory: MessageFactory) -> None:
    factory.register("move", ("x", "y"))

    class Player(net.Handler):
        def on_collision(self, player: str, wall: str) -> None: ...
        def moved(self, x: int, y: int) -> None: ...
        def net_move(self, message: Any) -> None: ...
        async def later(self) -> None: ...

    accept(factory, Player)


def test_an_inherited_method_is_looked_at(factory: MessageFactory) -> None:
    class Mixin:
        def net_chat_msg(self, player: str, msg: str) -> None: ...

    class Player(net.Handler, Mixin):
        pass

    assert mistake(factory, Player).startswith("Player.net_chat_msg(self, player: str, msg: str) -> None cannot be")


@pytest.mark.parametrize(
    "method",
    [
        lambda self, message: None,
        lambda self, message, channel: None,
        lambda self, message, *, channel: None,
        lambda self, message, **kwargs: None,
        lambda self, *args: None,
        lambda *args, **kwargs: None,
        lambda self, message, extra=None: None,
        lambda self, message, /, *more, wire="none": None,
        staticmethod(lambda message: None),
        staticmethod(lambda message, channel: None),
        classmethod(lambda cls, message, **kwargs: None),
        functools.partialmethod(lambda self, word, message: None, "word"),
        property(lambda self: lambda message: None),
        staticmethod(functools.partial(lambda word, message: None, "word")),
        deque().append,
        print,
    ],
)
@pytest.mark.parametrize("name", ["net_chat_msg", "on_receive", "on_recive"])
def test_what_can_be_called_is_accepted(factory: MessageFactory, name: str, method: Any, capsys: Any) -> None:
    accept(factory, handler_class(name, method))


def test_an_annotation_that_only_a_type_checker_knows(factory: MessageFactory) -> None:
    namespace: dict[str, Any] = {"net": net, "got": []}
    source = """
class Player(net.Handler):
    def net_chat_msg(self, message: 'chat_msg', **kwargs: 'Options') -> None:
        got.append(kwargs)
"""
    if sys.version_info >= (3, 14):  # where they need no quotes
        source = source.replace("'", "")
    exec(source, namespace)
    accept(factory, namespace["Player"])
    assert namespace["got"] == [{"channel": 0}]


def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(self: Any, message: Any) -> None:
        function(self, "player", message)

    return wrapper


def run(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        list(function(*args, **kwargs))

    return wrapper


def test_a_decorator_may_change_the_parameters(factory: MessageFactory) -> None:
    got: list[Any] = []

    class Player(net.Handler):
        @decorate
        def net_chat_msg(self, player: str, message: Any, channel: int = -1) -> None:
            got.append((player, channel))

        @run
        def net_ready(self, message: Any, channel: int) -> Any:
            yield got.append(channel)

    accept(factory, Player)
    assert got == [("player", -1), 0]


@pytest.mark.parametrize(
    ("method", "told"),
    [
        (lambda player, msg: None, "Player.net_chat_msg(player, msg) cannot be called with a message; "),
        (lambda: None, "Player.net_chat_msg() cannot be called with a message; "),
        (functools.partial(a_generator, None), "Player.net_chat_msg() has a yield in it, so that a call runs no"),
        (functools.partial(a_coroutine, None), "Player.net_chat_msg() is an async def, and nothing awaits it; "),
        (5, "Player.net_chat_msg is 5, which cannot be called; "),
    ],
)
def test_a_method_on_the_object(factory: MessageFactory, method: Any, told: str) -> None:
    class Player(net.Handler):
        pass

    options: dict[str, Any] = {"message_factory": factory, "n_adapter": "memory"}
    with net.Server(**options) as server, net.Client(**options) as client:
        connection = client.connect(*server.address)
        connection.add_handler(Player())  # the class has been looked at, and is good
        handler: Any = Player()
        handler.net_chat_msg = method
        with pytest.raises(TypeError) as caught:
            connection.add_handler(handler)
        assert str(caught.value).startswith(told)
        assert str(caught.value).endswith("; write def net_chat_msg(message), and read message.player and message.msg")
        handler.net_chat_msg = needs_one
        connection.add_handler(handler)


def test_a_method_on_the_object_that_no_message_calls_is_named(factory: MessageFactory, caplog: Any) -> None:
    options: dict[str, Any] = {"message_factory": factory, "n_adapter": "memory"}
    with net.Server(**options) as server, net.Client(**options) as client:
        connection = client.connect(*server.address)
        handler: Any = net.Handler()
        handler.net_caht_msg = print
        connection.add_handler(handler)
        client.update()
    assert [record.message for record in caplog.records] == [
        "Handler.net_caht_msg() will not be called: no message has that name; did you mean 'net_chat_msg'?"
    ]


def test_a_handler_that_a_function_makes_is_told_when_it_is_made(factory: MessageFactory) -> None:
    options: dict[str, Any] = {"message_factory": factory, "n_adapter": "memory"}
    made = handler_class("net_chat_msg", too_many)
    with net.Server(handler=lambda: made(), **options) as server, net.Client(**options) as client:
        connection = client.connect(*server.address)
        with pytest.raises(TypeError, match=r"Player.net_chat_msg.* cannot be called with a message"):
            for _ in range(3):
                client.update()
                server.update()
        for _ in range(3):
            client.update()
            server.update()
        assert "an error in its program" in connection.reason.text
