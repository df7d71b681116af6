"""A server and its clients in one test: made in one line, pumped together, closed whatever happens.

In a test::

    world = World("socket")
    server = world.server(chat=("who", "text"))
    alice = world.join(server)                # connected; alice.handler and alice.there.handler remember what they got
    alice.net_chat("Alice", "hi")
    world.until(lambda: there(alice).messages)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from relays import pump_until

import pygnetic as net
from pygnetic.message import MessageFactory

HOST = "127.0.0.1"


class Clock:
    """A clock that only moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def eager(pump: Callable[[], object], times: int = 50) -> Callable[[], object]:
    """Return a pump that claims work the first times: loopback delivers at once, so waiting a millisecond is long."""
    left = iter(range(times))
    return lambda: pump() or next(left, None) is not None


class Recorder(net.Handler):
    """A handler that remembers: what it was told, in order, and the messages alone."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.messages: list[Any] = []

    def on_connect(self) -> None:
        self.calls.append("on_connect")

    def on_disconnect(self) -> None:
        self.calls.append("on_disconnect")

    def on_receive(self, message: Any) -> None:
        self.calls.append(message)
        self.messages.append(message)

    @property
    def ended(self) -> int:
        return self.calls.count("on_disconnect")


def texts(handler: Recorder) -> list[Any]:
    """Return the texts of the messages that a Recorder got."""
    return [message.text for message in handler.messages]


class World:
    """Servers and clients on one adapter, and everything else that needs pumping."""

    def __init__(self, network: Any, codec: Any = "json", *, frozen_time: bool = False) -> None:
        self.network = network
        self.codec = codec
        self.clock = Clock()
        self.options = {"clock": self.clock} if frozen_time else {}
        self.pumps: list[Callable[[], object]] = []
        self._closes: list[Callable[[], object]] = []

    def __enter__(self) -> World:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        while self._closes:
            self._closes.pop()()

    def add(self, thing: Any, pump: Callable[[], object]) -> Any:
        """Pump this too, and close it at the end."""
        self.pumps.append(pump)
        self._closes.append(thing.close)
        return thing

    def stop(self, thing: Any) -> None:
        """Close a server or client now, and pump it no more."""
        self.pumps.remove(thing.update)
        thing.close()

    def factory(self, **messages: Any) -> MessageFactory:
        """Return a new factory with these messages (by default one: `echo(text)`)."""
        factory = MessageFactory(self.codec)
        for name, fields in (messages or {"echo": ("text",)}).items():
            factory.register(name, fields)
        return factory

    def server(self, kind: type[net.Server] = net.Server, /, **options: Any) -> Any:
        """Return a new server on a free port; its `made` lists the handlers that it made."""
        given = options.pop("handler", Recorder)
        made: list[Any] = []

        def handler() -> Any:
            made.append(given())
            return made[-1]

        options.setdefault("message_factory", self.factory())
        options.setdefault("n_adapter", self.network)
        server = kind(HOST, options.pop("port", 0), handler=given and handler, **self.options, **options)
        server.made = made
        return self.add(server, server.update)

    def client(self, kind: type[net.Client] = net.Client, /, **options: Any) -> Any:
        """Return a new client, not connected to anything."""
        options.setdefault("message_factory", self.factory())
        options.setdefault("n_adapter", self.network)
        client = kind(**self.options, **options)
        return self.add(client, client.update)

    def connect(self, server: Any, handler: Any = None, /, client: Any = None, **options: Any) -> Any:
        """Start to connect; the connection's `handler` is the one given, or a Recorder.

        :param server: a server, or a (host, port).
        """
        if client is None:
            if hasattr(server, "message_factory"):
                options.setdefault("message_factory", server.message_factory)
            client = self.client(**options)
        host, port = getattr(server, "address", server)
        connection = client.connect(host, port)
        connection.client = client
        connection.handler = handler or Recorder()
        connection.add_handler(connection.handler)
        return connection

    def join(self, server: Any, handler: Any = None, /, **options: Any) -> Any:
        """Connect, and wait until both sides know; the connection's `there` is the server's connection.

        :param options: those of `connect()`, and `address` where it leads through something else.
        """
        known = set(server.connections())
        connection = self.connect(options.pop("address", server), handler, **options)
        self.until(lambda: connection.connected and set(server.connections()) - known)
        (connection.there,) = set(server.connections()) - known
        return connection

    def nowhere(self) -> tuple[str, int]:
        """Return an address where nobody listens: a port that was free a moment ago."""
        server = self.server()
        address: tuple[str, int] = server.address
        self.stop(server)
        return address

    def pump(self) -> None:
        for pump in list(self.pumps):
            pump()

    def until(self, condition: Callable[[], Any], timeout: float = 10.0) -> Any:
        """Pump everything until a condition is true; AssertionError after `timeout` seconds."""
        return pump_until(condition, eager(self.pump), timeout=timeout)

    def settle(self, seconds: float = 0.03) -> None:
        """Pump for a moment, to see that nothing happens any more."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end)
