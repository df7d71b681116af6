"""What a beginner does wrong is said once, in a sentence that tells what to do."""

import gc
import logging
import re
import select
import socket
import subprocess
import sys
import threading
import traceback
import weakref
from pathlib import Path

import pytest
from memory_pair import Clock
from world import World

import pygnetic as net
from pygnetic._help.differences import difference
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory

ROOT = Path(net.__file__).parent.parent


@pytest.fixture
def factory():
    made = MessageFactory("json")
    made.register("message", ("text",))
    return made


@pytest.fixture
def server(factory):
    with net.Server("127.0.0.1", 0, message_factory=factory, n_adapter="memory") as made:
        yield made


def connect(client, server):
    return client.connect("127.0.0.1", server.address[1])


def run(lines):
    """Run a program in a Python of its own, and return what it prints as errors."""
    command = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False).stderr


def test_update_was_never_called_is_said_at_64_messages_and_at_close(factory, server, caplog):
    client = net.Client(message_factory=factory, n_adapter="memory")
    connection = connect(client, server)
    for number in range(63):
        connection.net_message(str(number))
    assert not caplog.records
    connection.net_message("one more")
    connection.net_message("and another")
    assert [record.message for record in caplog.records] == [
        "64 messages wait: Client.update() was never called; call it once a frame, or nothing is sent or received"
    ]
    client.close()
    assert caplog.records[-1].message.startswith("65 messages were not sent: Client.update() was never called")
    with net.Client(message_factory=factory, n_adapter="memory") as client:
        connect(client, server).net_message("one")
    assert caplog.records[-1].message.startswith("1 message was not sent: Client.update() was never called")


def test_update_was_never_called_is_said_without_close_too(factory, server, caplog):
    client = net.Client(message_factory=factory, n_adapter="memory")
    connect(client, server).net_message("one")
    del client
    gc.collect()
    assert [record.message for record in caplog.records] == [
        "1 message was not sent: Client.update() was never called; call it once a frame, or nothing is sent or received"
    ]
    with pytest.raises(ImportError):
        net.Client(n_adapter="pigeon")  # half made, and nothing to say
    gc.collect()
    assert len(caplog.records) == 1


def test_a_client_that_only_connected_is_told_of_update(factory, server, caplog):
    class Player(net.Handler):
        def on_connect(self):
            self.connection.net_message("hello")

    told = "Client.update() was never called: it has not connected; "
    told += "call it once a frame, or nothing is sent or received"
    with net.Client(message_factory=factory, n_adapter="memory") as client:
        connect(client, server).add_handler(Player())
    assert [(record.levelno, record.message) for record in caplog.records] == [(logging.WARNING, told)]
    client = net.Client(message_factory=factory, n_adapter="memory")
    connect(client, server)
    del client
    gc.collect()
    assert [record.message for record in caplog.records] == [told, told]


def test_a_client_that_never_connected_is_told_nothing(factory, caplog):
    with net.Client(message_factory=factory, n_adapter="memory"):
        pass
    assert not caplog.records


def test_a_server_that_was_never_updated_is_told(factory, caplog):
    clock = Clock()
    options = {"message_factory": factory, "n_adapter": "memory", "clock": clock}
    told = "Server.update() was never called: nobody could connect; call it again and again"
    with net.Server(**options):
        clock.now += 0.9  # a test, or a program that only looks for a port
    assert not caplog.records
    with net.Server(**options):
        clock.now += 1.1
    assert [(record.levelno, record.message) for record in caplog.records] == [(logging.WARNING, told)]
    server = net.Server(**options)
    clock.now += 1.1
    del server
    gc.collect()
    assert [record.message for record in caplog.records] == [told, told]
    with net.Server(**options) as server:
        clock.now += 1.1
        server.update()
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("kept", "late"),
    [("kept = client, server", False), ("import builtins; builtins.kept = client, server", True)],
)
def test_a_program_that_ends_without_update_is_told_or_nothing_is_said(kept, late):
    lines = ["import pygnetic as net", "net.init(n_module='memory', logging_lvl=30)", "clock = lambda: clock.now"]
    lines += ["clock.now = 1.0", "server = net.Server(clock=clock)", "client = net.Client()", "clock.now = 3.0"]
    lines += ["client.connect(*server.address)", "client.circle = [client]", kept, "del client, server"]
    printed = run(lines)
    said = sorted(re.findall("WARNING +(.*?):", printed))
    assert len(said) == len(printed.splitlines())  # and no traceback
    assert said == ["Client.update() was never called", "Server.update() was never called"] or (late and not said)


def test_whom_an_error_has_stopped_is_not_told_of_update(factory, server, caplog):
    with pytest.raises(ZeroDivisionError), net.Client(message_factory=factory, n_adapter="memory") as client:
        connect(client, server).net_message("one")
        1 / 0  # noqa: B018
    assert not caplog.records
    with pytest.raises(KeyboardInterrupt), net.Client(message_factory=factory, n_adapter="memory") as client:
        connect(client, server).net_message("one")
        raise KeyboardInterrupt  # how most servers end
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("error", "told"), [("ValueError('mine')", False), ("KeyboardInterrupt", True)])
def test_a_program_that_an_error_has_stopped_ends_with_that(error, told):
    lines = ["import pygnetic as net", "net.init(n_module='memory')", "server = net.Server()", "client = net.Client()"]
    lines += ["connection = client.connect(*server.address)", f"raise {error}"]
    printed = run(lines)
    assert ("update() was never called" in printed) == told
    assert error.replace("('", ": ").rstrip("')") in printed


def test_nothing_is_said_when_update_was_called(factory, server, caplog):
    client = net.Client(message_factory=factory, n_adapter="memory")
    connection = connect(client, server)
    client.update()
    for number in range(100):
        connection.net_message(str(number))
    client.close()
    assert not caplog.records


def test_a_handler_method_that_matches_no_message_is_named_once(factory, server, caplog):
    class Handler(net.Handler):
        def net_mesage(self, message):
            pass

        def net_message(self, message):
            pass

    with net.Client(2, message_factory=factory, n_adapter="memory") as client:
        for _ in range(2):
            connect(client, server).add_handler(Handler())
        client.update()
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (
            logging.WARNING,
            "Handler.net_mesage() will not be called: no message has that name; did you mean 'net_message'?",
        )
    ]


def test_a_handler_method_is_named_once_for_all_clients_and_servers(factory, server, caplog):
    class Handler(net.Handler):
        def net_mesage(self, message):
            pass

        def on_conect(self):
            pass

    told = ["Handler.net_mesage() will not be", "Handler.on_conect() will not be c"]
    for _ in range(3):
        with net.Client(message_factory=factory, n_adapter="memory") as client:
            connect(client, server).add_handler(Handler())
            client.update()
    assert [record.message[: len(text)] for record, text in zip(caplog.records, told, strict=True)] == told
    other = MessageFactory("json")
    other.register("mesages", ())
    with net.Client(message_factory=other, n_adapter="memory") as client:
        connect(client, server).add_handler(Handler())
        client.update()
    assert caplog.records[-1].message.endswith("no message has that name; did you mean 'net_mesages'?")
    assert len(caplog.records) == 3


def test_handlers_and_factories_that_were_named_can_go(server):
    class Handler(net.Handler):
        def net_mesage(self, message):
            pass

    factory = MessageFactory("json")
    with net.Client(message_factory=factory, n_adapter="memory") as client:
        connect(client, server).add_handler(Handler())
        client.update()
    left = [weakref.ref(Handler), weakref.ref(factory)]
    del Handler, factory, client
    gc.collect()
    assert [ref() for ref in left] == [None, None]


@pytest.mark.parametrize("name", ["update", "connect", "close"])
def test_two_threads(factory, server, name):
    with net.Client(2, message_factory=factory, n_adapter="memory") as client:
        errors = []

        def other():
            try:
                connect(client, server) if name == "connect" else getattr(client, name)()
            except RuntimeError as error:
                errors.append(str(error))

        class Handler(net.Handler):
            def on_connect(self):
                thread = threading.Thread(target=other)
                thread.start()
                thread.join()

        connect(client, server).add_handler(Handler())
        for _ in range(3):
            client.update()
            server.update()
        assert len(errors) == 1
        assert errors[0].startswith(f"{name}() was called while another thread is in update(); use a Client in one")


@pytest.mark.parametrize("name", ["net_message", "send", "add_handler", "rtt"])
def test_a_client_is_asked_for_what_its_connection_has(factory, name):
    with net.Client(message_factory=factory, n_adapter="memory") as client:
        with pytest.raises(AttributeError) as caught:
            getattr(client, name)
        told = f"'Client' object has no attribute {name!r}; a connection has it, and connect() returns one"
        assert str(caught.value) == told
        with pytest.raises(AttributeError, match=r"^'Client' object has no attribute 'udpate'$") as caught:
            client.udpate  # noqa: B018
        assert (caught.value.name, caught.value.obj) == ("udpate", client)  # from these Python suggests the near name
        assert not hasattr(client, "nonsense")


def test_a_server_is_asked_for_what_its_connections_have(server):
    told = "; a connection has it, such as a handler's self.connection; broadcast() sends to all of them"
    for name in ("net_message", "send"):
        with pytest.raises(AttributeError) as caught:
            getattr(server, name)
        assert str(caught.value) == f"'Server' object has no attribute {name!r}{told}"


class Guest(net.Handler):
    pass


class Strange:
    pass


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (Guest(), "not an object of it; the server makes one for each client: handler=Guest"),
        (Strange, "not <class '.*Strange'>; write class Strange\\(pygnetic.Handler\\)"),
        ("Guest", "not 'Guest'"),
    ],
)
def test_a_server_wants_the_handler_class(factory, handler, said):
    class Game(net.Server):
        message_factory = factory

    with pytest.raises(TypeError, match=f"^handler is a subclass of pygnetic.Handler, {said}$"):
        Game(handler=handler, n_adapter="memory")
    Game.handler = staticmethod(handler) if isinstance(handler, type) else handler
    with pytest.raises(TypeError, match=said):
        Game(n_adapter="memory")
    with Game(handler=lambda: Guest(), n_adapter="memory"):  # whatever makes handlers is fine
        pass


def test_a_misspelt_on_method_is_named_once(factory, server, caplog):
    class Handler(net.Handler):
        def on_conect(self):
            pass

        def on_recieve(self, message):
            pass

        def on_disconnect(self):
            pass

        def on_disconnected(self):  # beside on_disconnect: its owner knows what that is called
            pass

        def on_collect(self):  # coins
            pass

    with net.Client(2, message_factory=factory, n_adapter="memory") as client:
        for _ in range(2):
            connect(client, server).add_handler(Handler())
        client.update()
    assert [record.message for record in caplog.records] == [
        "Handler.on_conect() will not be called by the library; did you mean 'on_connect'?",
        "Handler.on_recieve() will not be called by the library; did you mean 'on_receive'?",
    ]


def test_another_order_shows_both_orders():
    text = difference("json\n1 a(x)\n2 b()", "json\n1 b()\n2 a(x)")
    told = "the order of registration differs from message 1 on: server: a, b; client: b, a; "
    assert text == told + "register the same in the same order"


def test_python_does_not_suggest_the_near_name_once_more(factory, server):
    with net.Client(message_factory=factory, n_adapter="memory") as client:
        connection = connect(client, server)
        for name in ("net_mesage", "conected"):
            with pytest.raises(AttributeError) as caught:
                getattr(connection, name)
            assert caught.value.name == name
            text = "".join(traceback.format_exception(caught.value))
            assert text.lower().count("did you mean") == 1


def test_a_server_that_hangs_up_at_once():
    with socket.create_server(("127.0.0.1", 0)) as listener, World("socket") as world:
        world.factory(hello=())
        connection = world.client().connect(*listener.getsockname())
        world.until(lambda: select.select([listener], [], [], 0)[0])
        listener.accept()[0].close()
        world.until(lambda: connection.reason)
        assert connection.reason.code.name == "LOST"
        assert connection.reason.text == (
            "the other end closed the connection before it let us in; is it a pygnetic server, and was update() called "
            "within 5 s of connect()?"
        )


@pytest.mark.parametrize("method", ["net_message", "on_connect", "on_disconnect"])
@pytest.mark.parametrize("overridden", [False, True])
@pytest.mark.parametrize(
    ("use", "told"),
    [
        (lambda handler: handler.net_reply("x"), "; its connection has it: self.connection.net_reply(...)"),
        (lambda handler: handler.send("x"), "; its connection has it: self.connection.send(...)"),
        (lambda handler: handler.net_repyl("x"), "; did you mean 'self.connection.net_reply'?"),
        (lambda handler: handler.net_nonsense("x"), ""),
        (lambda handler: handler._flush(), ""),
        (lambda handler: handler.rtt, "; its connection has it: self.connection.rtt"),
        (lambda handler: handler.broadcast("x"), "; its server has it: self.server.broadcast(...)"),
        (lambda handler: handler.new_round(), "; its server has it: self.server.new_round(...)"),
        (lambda handler: handler.players, "; its server has it: self.server.players"),
        (lambda handler: handler.lives, ""),
        (lambda handler: handler._secret(), ""),
    ],
)
def test_a_handler_is_asked_for_what_others_have(factory, method, overridden, use, told):
    factory.register("reply", ("text",))
    raised = []

    class Game(net.Server):
        def __init__(self, **options):
            super().__init__(**options)
            self.players = []

        def new_round(self):
            pass

        def _secret(self):
            pass

    class Player(net.Handler):
        pass

    if overridden:
        Game.handle_error = lambda server, connection, error: raised.append(error)
    setattr(Player, method, lambda handler, *args: use(handler))
    options = {"message_factory": factory, "n_adapter": "memory"}
    with Game(handler=Player, **options) as server, net.Client(**options) as client:
        connection = connect(client, server)
        connection.net_message("one")
        for step in range(6):
            client.update()
            try:
                server.update()
            except AttributeError as error:
                raised.append(error)
            if step == 3:
                connection.disconnect()
    assert len(raised) == 1
    assert re.fullmatch(r"'Player' object has no attribute '\w+'" + re.escape(told), str(raised[0]))
    text = "".join(traceback.format_exception(raised[0]))
    assert "Did you mean" not in text or not told


def test_a_handler_that_is_being_made_has_no_connection(factory):
    class Player(net.Handler):
        def __init__(self):
            self.send("x")

    options = {"message_factory": factory, "n_adapter": "memory"}
    with net.Server(handler=Player, **options) as server, net.Client(**options) as client:
        connect(client, server)
        with pytest.raises(AttributeError, match=r"^'Player' object has no attribute 'send'$"):
            for _ in range(3):
                client.update()
                server.update()


def test_a_handler_of_a_client_has_no_server(factory, server):
    class Player(net.Handler):
        def on_connect(self):
            self.broadcast("x")

    with net.Client(message_factory=factory, n_adapter="memory") as client:
        connect(client, server).add_handler(Player())
        with pytest.raises(AttributeError, match=r"^'Player' object has no attribute 'broadcast'$"):
            for _ in range(3):
                client.update()
                server.update()


@pytest.mark.parametrize(
    ("adapter", "title", "other"),
    [("enet", "UDP (enet)", "socket"), ("socket", "TCP (socket)", "enet"), ("memory", "memory", None)],
)
def test_nobody_answers(factory, adapter, title, other):
    if adapter == "enet":
        pytest.importorskip("enet")
    with socket.socket() as taken:  # and nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with net.Client(message_factory=factory, n_adapter=adapter, limits=Limits(connect_time=0.1)) as client:
            connection = client.connect("127.0.0.1", port)
            while connection.reason is None:
                client.update(20)
    told = f"nobody answered at 127.0.0.1:{port} over {title}. Is the server running? Is its port open in the firewall?"
    if other:
        told += f" Or is it on the {other} adapter? Then clients need n_module='{other}' in init()"
    assert connection.reason.text == told


def test_an_init_without_the_librarys(factory):
    class Forgetful(net.Server):
        def __init__(self):
            self.rounds = 0

    told = "; an __init__\\(\\) of your own must call super\\(\\).__init__\\(\\) first$"
    for use in (net.Server.update, net.Server.close, net.Server.connections, lambda server: server.address):
        with pytest.raises(AttributeError, match=told):
            use(Forgetful())


def test_what_is_missing_in_a_property_of_a_server_is_named(factory):
    class Named(net.Server):
        @property
        def names(self):
            return [].first

    with Named(message_factory=factory, n_adapter="memory") as server:
        with pytest.raises(AttributeError, match="'list' object has no attribute 'first'"):
            server.names  # noqa: B018
