"""The same work with pygnetic, through its public names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pygnetic as net
from pygnetic.message import MessageFactory
from pygnetic.stats import Tally

__all__ = ["echo"]

HOST = "127.0.0.1"


def chat_factory(codec: str) -> MessageFactory:
    factory = MessageFactory(codec)
    factory.register("update_remoteobject", ("type_id", "obj_id", "variables"))  # as in the default factory
    factory.register("chat_msg", ("player", "msg"))
    return factory


def state_factory(reliable: bool = True) -> MessageFactory:
    """Return a factory for what many clients take and answer."""
    factory = MessageFactory("msgpack")
    factory.register("update_remoteobject", ("type_id", "obj_id", "variables"))
    factory.register("state", ("data",), reliable=reliable)
    factory.register("input", ("keys",))
    return factory


def pump(done: Callable[[], object], *endpoints: Any, seconds: float = 10) -> None:
    """Update until something is so; an error if that takes too long."""
    deadline = time.monotonic() + seconds
    while not done():
        for endpoint in endpoints:
            endpoint.update(1)
        if time.monotonic() > deadline:
            raise TimeoutError(f"{endpoints} did not get there within {seconds} s")


class Echo(net.Handler):
    def net_chat_msg(self, message: Any) -> None:
        self.connection.net_chat_msg(message.player, message.msg)


class Count(net.Handler):
    def __init__(self) -> None:
        self.echoed = 0

    def net_chat_msg(self, message: Any) -> None:
        self.echoed += 1


def echo(
    per_tick: int,
    ticks: int,
    network: str = "enet",
    codec: str = "msgpack",
    client_codec: str = "",
    filtered: bool = True,
    counted: bool = True,
    events: bool = False,
) -> Iterator[float | None]:
    """Send chat messages to a server in the same process, which sends each back; us of CPU an echo.

    :param client_codec: the client's, if it is another.
    :param filtered: False to take the enet adapter's filter of datagrams away.
    :param counted: False to keep no count of messages by name, which ``connection.stats`` shows.
    :param events: post pygame events, and take them from the queue each tick.
    """
    take_events: Callable[[], object] | None = None
    if events:
        import pygame

        pygame.display.init()
        pygame.display.set_mode((64, 64))
        net.init(events=True, logging_lvl=None)
        take_events = pygame.event.get
    with (
        net.Server(HOST, 0, handler=Echo, message_factory=chat_factory(codec), n_adapter=network) as server,
        net.Client(message_factory=chat_factory(client_codec or codec), n_adapter=network) as client,
    ):
        connection = client.connect(*server.address[:2])
        count = Count()
        connection.add_handler(count)
        pump(lambda: connection.connected and server.connections(), client, server)
        if not filtered:
            ends: list[Any] = [server, client]
            for end in ends:  # the enet adapter's own
                end._adapter._host.intercept = None
        if not counted:
            for name in ("sent", "received"):
                setattr(Tally, name, lambda self, messages, size: None)
        yield None
        while True:
            begin = time.process_time()
            for _ in range(ticks):
                tick(server, client, connection, count, per_tick)
                if take_events is not None:
                    take_events()
            yield (time.process_time() - begin) / (ticks * per_tick) * 1e6


def echoes(**options: Any) -> Iterator[float | None]:
    """The same in echoes a second of CPU."""
    for value in echo(**options):
        yield value and 1e6 / value


def tick(server: net.Server, client: net.Client, connection: Any, count: Count, per_tick: int) -> None:
    send = connection.net_chat_msg
    for _ in range(per_tick):
        send("Tom", "Test message")
    connection.flush()
    count.echoed = 0
    while count.echoed < per_tick:
        server.update()
        client.update()
