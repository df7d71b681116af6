"""What is written in the wrong place, or in the wrong way, is answered with what to write instead."""

import traceback
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import pygnetic as net
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory


@pytest.fixture
def factory() -> MessageFactory:
    factory = MessageFactory("json")
    factory.register("echo", ("text",))
    return factory


class Game(net.Server):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.players: dict[Any, str] = {}

    def new_round(self) -> None:
        pass


class Player(net.Handler):
    pass


def ask(factory: MessageFactory, use: Callable[[Any], object], client_too: bool = False) -> list[str]:
    """Let a handler of a server (or client) do something when it connects; return what is raised."""
    raised: list[Exception] = []
    options: dict[str, Any] = {"message_factory": factory, "n_adapter": "memory"}

    class Asking(Player):
        def on_connect(self) -> None:
            use(self)

    with Game(handler=None if client_too else Asking, **options) as server, net.Client(**options) as client:
        connection = client.connect(*server.address)
        if client_too:
            connection.add_handler(Asking())
        for _ in range(3):
            for end in (client, server):
                try:
                    end.update()
                except Exception as error:
                    raised.append(error)
    for error in raised:
        shown = "".join(traceback.format_exception_only(error))
        assert shown.lower().count("did you mean") <= 1
    return [str(error) for error in raised]


# -- a connection is asked for what its server has


@pytest.mark.parametrize(
    ("use", "told"),
    [
        (lambda connection: connection.broadcast("echo"), "'broadcast'; its server has it: self.server.broadcast(...)"),
        (lambda connection: connection.connections(), "'connections'; its server has it: self.server.connections(...)"),
        (lambda connection: connection.new_round(), "'new_round'; its server has it: self.server.new_round(...)"),
        (lambda connection: connection.players, "'players'; its server has it: self.server.players"),
        (lambda connection: connection.close(), "'close'; did you mean 'disconnect'?"),
        (lambda connection: connection._adapter, "'_adapter'"),
        (lambda connection: connection.nonsense, "'nonsense'"),
    ],
)
def test_a_connection_of_a_server(factory: MessageFactory, use: Any, told: str) -> None:
    assert ask(factory, lambda handler: use(handler.connection)) == [f"'Connection' has no attribute {told}"]


def test_a_connection_of_a_client(factory: MessageFactory) -> None:
    with net.Client(message_factory=factory, n_adapter="memory") as client:
        with Game(message_factory=factory, n_adapter="memory") as server:
            connection = client.connect(*server.address)
        for name in ("update", "connect"):
            told = f"'Connection' has no attribute {name!r}; its client has it: client.{name}(...)"
            with pytest.raises(AttributeError) as caught:
                getattr(connection, name)
            assert str(caught.value) == told
        with pytest.raises(AttributeError, match=r"^'Connection' has no attribute 'broadcast'$"):
            connection.broadcast("echo", "x")
    del client
    with pytest.raises(AttributeError, match=r"^'Connection' has no attribute 'update'"):
        connection.update()


# -- a proxy as a key


@pytest.mark.parametrize(
    "use",
    [
        lambda handler: {}[handler.connection],
        lambda handler: {handler.connection: "Tom"},
        lambda handler: {handler.connection},
        lambda handler: hash(handler.connection),
        lambda handler: handler.connection in {"Tom"},
    ],
)
@pytest.mark.parametrize("client_too", [False, True])
def test_a_handler_s_connection_as_a_key(factory: MessageFactory, use: Any, client_too: bool) -> None:
    [told] = ask(factory, use, client_too)
    assert told.endswith("; if that is self.connection, take self.connection.id as the key")


def test_the_id_is_a_key(factory: MessageFactory) -> None:
    def use(handler: Any) -> None:
        handler.server.players[handler.connection.id] = "Tom"
        assert handler.connection in handler.server.connections()
        [connection] = handler.server.connections()
        assert handler.server.players[connection.id] == "Tom" and {connection: 1}[connection]

    assert ask(factory, use) == []


def test_other_things_that_are_no_keys_stay_as_they_are(factory: MessageFactory) -> None:
    [told] = ask(factory, lambda handler: {}[[]])
    assert "unhashable type: 'list'" in told and "connection" not in told


# -- a method without ()


@pytest.mark.parametrize("name", ["handlers", "connections"])
@pytest.mark.parametrize(
    "use", [iter, len, list, bool, lambda method: method[0], lambda method: 1 in method, lambda method: [*method]]
)
def test_a_method_of_a_server_without_its_brackets(factory: MessageFactory, name: str, use: Any) -> None:
    with Game(message_factory=factory, n_adapter="memory") as server:
        with pytest.raises(TypeError) as caught:
            use(getattr(server, name))
        assert str(caught.value) == f"{name} is a method of a Server: write {name}()"
        with pytest.raises(TypeError, match=rf"write {name}\(\)"):
            use(getattr(weakref.proxy(server), name))
        assert getattr(server, name)() == getattr(Game, name)(server) == getattr(server, name)(exclude=[]) == []


def test_such_a_method_can_be_overridden(factory: MessageFactory) -> None:
    class Two(Game):
        def handlers(self, exclude: Any = None) -> list[Any]:
            return [*super().handlers(exclude), "one more"]

    with Two(message_factory=factory, n_adapter="memory") as server:
        assert server.handlers() == ["one more"]


# -- what is given by name is given by its place


@pytest.mark.parametrize("before", [(), ("",), ("", 0), ("", 0, 4)])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        (Player, "handler=Player"),
        (Player(), "handler=Player"),
        (MessageFactory("json"), "message_factory=..."),
        (Limits(), "limits=..."),
    ],
)
def test_what_a_server_wants_by_name(before: tuple[Any, ...], given: Any, told: str) -> None:
    with pytest.raises(TypeError) as caught:
        net.Server(*before, given, n_adapter="memory")
    assert str(caught.value) == f"Server() takes host, port and conn_limit; give the rest by name: {told}"


@pytest.mark.parametrize("before", [(), (1,)])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        (Player, "no handler; connect(...).add_handler(Player())"),
        (Player(), "no handler; connect(...).add_handler(Player())"),
        (MessageFactory("json"), "conn_limit; give the rest by name: message_factory=..."),
        (Limits(), "conn_limit; give the rest by name: limits=..."),
    ],
)
def test_what_a_client_wants_by_name(before: tuple[Any, ...], given: Any, told: str) -> None:
    with pytest.raises(TypeError) as caught:
        net.Client(*before, given, n_adapter="memory")
    assert str(caught.value) == f"Client() takes {told}"


# -- what makes handlers, and does not


def needs(name: str) -> Player:
    return Player()


class Named(Player):
    def __init__(self, name: str) -> None:
        self.name = name


class Defaults(Player):
    def __init__(self, name: str = "Tom", *more: Any, **options: Any) -> None:
        self.name = name


@pytest.mark.parametrize(("handler", "name"), [(needs, "needs"), (Named, "Named"), (lambda a, b: Player(), "<lambda>")])
def test_a_handler_that_cannot_be_made_without_arguments(factory: MessageFactory, handler: Any, name: str) -> None:
    told = rf"^handler={name}: the server calls {name}\(\) without arguments, but it takes \(.*\).*; "
    told += rf"give them defaults, or write handler=lambda: {name}\(...\)$"
    with pytest.raises(TypeError, match=told):
        net.Server(handler=handler, message_factory=factory, n_adapter="memory")
    of_class: Any = type("Mine", (net.Server,), {"handler": staticmethod(handler)})
    with pytest.raises(TypeError, match=told):
        of_class(message_factory=factory, n_adapter="memory")


def of_a_server(self: Any) -> Player:
    assert isinstance(self, net.Server)
    return Player()


@pytest.mark.parametrize("handler", [Defaults, lambda: Named("Tom"), lambda name="x": Named(name)])
def test_a_handler_that_can_be_made(factory: MessageFactory, handler: Any) -> None:
    options: dict[str, Any] = {"message_factory": factory, "n_adapter": "memory"}
    of_class: Any = type("Mine", (net.Server,), {"handler": handler})
    for make in (lambda: net.Server(handler=handler, **options), lambda: of_class(**options)):
        with make() as server, net.Client(**options) as client:
            client.connect(*server.address)
            for _ in range(3):
                client.update()
                server.update()
            assert isinstance(server.handlers()[0], Player)


def test_a_method_of_the_server_may_make_its_handlers(factory: MessageFactory) -> None:
    options: dict[str, Any] = {"message_factory": factory, "n_adapter": "memory"}
    of_class: Any = type("Mine", (net.Server,), {"handler": of_a_server})
    with of_class(**options) as server, net.Client(**options) as client:
        client.connect(*server.address)
        for _ in range(3):
            client.update()
            server.update()
        assert type(server.handlers()[0]) is Player


@pytest.mark.parametrize("made", [None, 5, Player])
def test_what_is_made_and_is_no_handler(factory: MessageFactory, made: Any) -> None:
    def make() -> Any:
        return made

    options: dict[str, Any] = {"message_factory": factory, "n_adapter": "memory"}
    with net.Server(handler=make, **options) as server, net.Client(**options) as client:
        client.connect(*server.address)
        with pytest.raises(TypeError) as caught:
            for _ in range(3):
                client.update()
                server.update()
        told = f"handler=make made {made!r}; it must return an object of a pygnetic.Handler subclass"
        assert str(caught.value) == told
