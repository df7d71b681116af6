"""A program of its own for test_processes.py: `python peer_program.py serve enet` or `... play socket 12345`."""

from __future__ import annotations

import os
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


if __name__ == "__main__":
    set_up(sys.argv[2])
    globals()[sys.argv[1]](*sys.argv[3:])
