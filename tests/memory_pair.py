"""A server and a client in this process, on the memory adapter and a clock that a test sets."""

from types import TracebackType
from typing import Any

import pygnetic as net
from pygnetic.network import base, memory_adapter


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Recording(memory_adapter.Adapter):
    """The memory adapter, which also remembers the packets of messages that it handed over."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.packets: list[tuple[bytes, int]] = []

    def poll(self, timeout: float = 0) -> list[Any]:
        events = super().poll(timeout)
        for kind, _, packet, info in events:
            if kind == base.PACKET and packet[0] != 0xC1:
                self.packets.append((packet, info["channel"]))
        return events


class Pair:
    """Use it in a ``with``; ``client`` and ``server`` have a connection each, made by ``open()``."""

    def __init__(
        self,
        factory: net.message.MessageFactory,
        handler: Any = None,
        *,
        client_handler: Any = None,
        limits: Any = None,
        server_limits: Any = None,
    ) -> None:
        self.clock = Clock()
        options = {"n_adapter": Recording, "clock": self.clock}
        self.server = net.Server(handler=handler, message_factory=factory, limits=server_limits or limits, **options)
        self.client = net.Client(message_factory=factory, limits=limits, **options)
        self.connection = self.client.connect("localhost", self.server.address[1])
        if client_handler is not None:
            self.connection.add_handler(client_handler)

    def open(self) -> "Pair":
        """Go on until the client is welcomed and the server has made its handler."""
        for _ in range(3):
            self.update()
        assert self.connection.connected
        return self

    def update(self, rounds: int = 1) -> None:
        """Let the client, then the server, update."""
        for _ in range(rounds):
            self.client.update()
            self.server.update()

    @property
    def remote(self) -> Any:
        """The server's connection."""
        return self.server.connections()[0]

    @property
    def packets(self) -> list[tuple[bytes, int]]:
        """What the server got so far: (bytes, channel)."""
        return self.server._adapter.packets

    def __enter__(self) -> "Pair":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.client.close()
        self.server.close()
