"""A program of its own for test_processes.py: `python peer_program.py serve enet` or `... play socket 12345`."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import pygnetic as net

GIVE_UP = time.monotonic() + 30  # no test leaves a process behind


def running() -> bool:
    if time.monotonic() > GIVE_UP:
        sys.exit("gave up")
    return True


def set_up(adapter: str) -> None:
    assert net.init(logging_lvl=None, n_module=adapter, s_module="json")
    net.register("say", ("number", "text"))
    net.register("said", ("number", "text"))


class Echo(net.Handler):
    left = False

    def net_say(self, message: Any) -> None:
        self.connection.net_said(message.number, message.text)

    def on_disconnect(self) -> None:
        Echo.left = True
        print(self.connection.reason, flush=True)


class Player(net.Handler):
    left = False

    def __init__(self) -> None:
        self.got: list[int] = []

    def net_said(self, message: Any) -> None:
        self.got.append(message.number)

    def on_disconnect(self) -> None:
        self.left = True
        print(self.connection.reason, flush=True)


def serve(port: str = "0") -> None:
    """Echo until the first client leaves."""
    with net.Server("127.0.0.1", int(port), handler=Echo) as server:
        print(server.address[1], flush=True)
        while running() and not Echo.left:
            server.update(20)


def talk_and_close() -> None:
    """Say a hundred things to the first client, close, and end at once."""
    server = net.Server("127.0.0.1", handler=Echo)
    print(server.address[1], flush=True)
    while running() and not server.connections():
        server.update(20)
    for number in range(100):
        server.broadcast("said", number, "x" * 20)
    server.close()


def play(port: str) -> None:
    """Say a thousand things, and leave when all came back."""
    client = net.Client()
    connection = client.connect("127.0.0.1", int(port))
    player = Player()
    connection.add_handler(player)
    for number in range(1000):
        connection.net_say(number, "x" * (number % 50))
        if number % 10 == 0:
            client.update()
    while running() and len(player.got) < 1000:
        client.update(20)
    assert player.got == list(range(1000))
    connection.disconnect(reason="that was all")
    while running() and not player.left:
        client.update(20)


def vanish(port: str) -> None:
    """Say something, and end without a word."""
    client = net.Client()
    connection = client.connect("127.0.0.1", int(port))
    player = Player()
    connection.add_handler(player)
    connection.net_say(1, "hello")
    while running() and not player.got:
        client.update(20)
    os._exit(0)  # not even the sockets are closed by Python


def open_client(port: str) -> tuple[net.Client, Any, Player]:
    """Return a client that is connected."""
    client = net.Client()
    connection = client.connect("127.0.0.1", int(port))
    player = Player()
    connection.add_handler(player)
    while running() and not connection.connected:
        client.update(20)
    return client, connection, player


def leave(port: str, how: str, count: str = "100") -> None:
    """Say some things, leave, and end; the handler would print if it were called."""
    client, connection, player = open_client(port)
    for number in range(int(count)):
        connection.net_say(number, "x" * 1000)
    if how == "disconnect":
        connection.disconnect(reason="dinner")
    elif how == "with":
        with client:
            pass
    elif how == "close":
        client.close(5000)
    elif how == "error":
        raise ZeroDivisionError
    KEPT.extend([client, connection, player])  # Python collects it only when the program has ended


KEPT: list[Any] = []


def stop(terminable: str = "") -> None:
    """Serve until a signal comes."""
    if terminable:  # the line of doc/howto/dedicated_server.rst
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = net.Server("127.0.0.1", handler=Player)
    print(server.address[1], flush=True)
    while running():
        server.update(20)


def meet() -> None:
    """Be server and client at once, and end."""
    server = net.Server("127.0.0.1", handler=Echo)
    client, connection = net.Client(), None
    connection = client.connect(*server.address)
    while running() and not (connection.connected and server.connections()):
        client.update(1)
        server.update(1)
    connection.net_say(1, "hello")
    KEPT.extend([server, client])


def fork_a_client(port: str) -> None:
    """Have children do everything to their copies; then say something, and leave."""
    client, connection, player = open_client(port)
    for number, action in enumerate(("close", "with", "disconnect", "collect", "exit")):
        connection.net_say(number, action)
        if not in_a_child(lambda: misuse(client, connection, action)):  # noqa: B023
            client.update()
    connection.disconnect(reason="that was all")
    while running() and not player.left:
        client.update(20)


def fork_a_server() -> None:
    """Serve as serve() does, and have a child do everything to its copy of the server for each message."""

    class Forking(Echo):
        def net_say(self, message: Any) -> None:
            connection = self.connection
            in_a_child(lambda: misuse(server, connection, message.text))
            super().net_say(message)

    server = net.Server("127.0.0.1", handler=Forking)
    print(server.address[1], flush=True)
    while running() and not Echo.left:
        server.update(20)


def misuse(end: Any, connection: Any, action: str) -> None:
    assert not connection.connected and connection.net_say(99, "from a child") is False
    if action == "close":
        end.close(100)
    elif action == "with":
        with end:
            pass
    elif action == "disconnect":
        connection.disconnect(-1, "from a child")
    elif action == "collect":
        end._adapter = None
    told = ""
    try:
        end.update()
    except RuntimeError as error:
        told = str(error)
    assert "made by a fork" in told, action


def in_a_child(act: Any) -> None:
    pid = os.fork()
    if pid:
        assert os.waitpid(pid, 0)[1] == 0
        return
    act()
    sys.exit(0)  # what is registered with atexit runs


if __name__ == "__main__":
    set_up(sys.argv[2])
    globals()[sys.argv[1]](*sys.argv[3:])
