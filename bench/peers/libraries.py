"""The same echo with other libraries, each as its own documentation shows it; client and server in one process.

Each counts echoes a second of CPU. Messages are what its users send: MessagePack where it takes bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

__all__ = ["podsixnet", "python_socketio", "twisted", "websockets"]

HOST = "127.0.0.1"


def measured(tick: Callable[[], object], per_tick: int, ticks: int) -> float:
    begin = time.process_time()
    for _ in range(ticks):
        tick()
    return ticks * per_tick / (time.process_time() - begin)


def podsixnet(per_tick: int, ticks: int) -> Iterator[float | None]:
    import contextlib
    import io

    from PodSixNet.Channel import Channel
    from PodSixNet.Connection import ConnectionListener, connection
    from PodSixNet.Server import Server

    class Echo(Channel):  # type: ignore[misc]
        def Network_chat(self, data: dict[str, Any]) -> None:
            self.Send({"action": "chat", "player": data["player"], "msg": data["msg"]})

    class EchoServer(Server):  # type: ignore[misc]
        channelClass = Echo  # noqa: N815

        def Connected(self, channel: Any, address: Any) -> None:
            pass

    class Client(ConnectionListener):  # type: ignore[misc]
        def __init__(self, port: int) -> None:
            self.echoed = 0
            self.Connect((HOST, port))

        def Network_chat(self, data: dict[str, Any]) -> None:
            self.echoed += 1

    with contextlib.redirect_stdout(io.StringIO()):
        server = EchoServer(localaddr=(HOST, 0))
        client = Client(server.socket.getsockname()[1])

    def pump() -> None:
        connection.Pump()
        client.Pump()
        server.Pump()

    def tick() -> None:
        for _ in range(per_tick):
            connection.Send({"action": "chat", "player": "Tom", "msg": "Test message"})
        client.echoed = 0
        while client.echoed < per_tick:
            pump()

    for _ in range(50):
        pump()
    yield None
    while True:
        yield measured(tick, per_tick, ticks)


def twisted(per_tick: int, ticks: int) -> Iterator[float | None]:
    import msgpack
    from twisted.internet import reactor
    from twisted.internet.protocol import ClientFactory, Factory
    from twisted.protocols.basic import Int32StringReceiver

    loop: Any = reactor
    clients: list[Any] = []

    class Echo(Int32StringReceiver):  # type: ignore[misc]
        def stringReceived(self, string: bytes) -> None:
            _, player, text = msgpack.unpackb(string)
            self.sendString(msgpack.packb((2, player, text)))

    class Client(Int32StringReceiver):  # type: ignore[misc]
        echoed = 0

        def connectionMade(self) -> None:
            clients.append(self)

        def stringReceived(self, string: bytes) -> None:
            _, _player, _text = msgpack.unpackb(string)
            self.echoed += 1

    port = loop.listenTCP(0, Factory.forProtocol(Echo), interface=HOST)
    loop.connectTCP(HOST, port.getHost().port, ClientFactory.forProtocol(Client))
    loop.startRunning()
    while not clients:
        loop.iterate(0.01)
    client = clients[0]

    def tick() -> None:
        for _ in range(per_tick):
            client.sendString(msgpack.packb((2, "Tom", "Test message")))
        client.echoed = 0
        while client.echoed < per_tick:
            loop.iterate(0)

    yield None
    while True:
        yield measured(tick, per_tick, ticks)


def run_async(
    start: Callable[[], Awaitable[Callable[[], Awaitable[object]]]], per_tick: int, ticks: int
) -> Iterator[float | None]:
    """Measure an asyncio program.

    :param start: sets up, and returns what does one tick.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    tick = loop.run_until_complete(start())

    async def all_ticks() -> float:
        begin = time.process_time()
        for _ in range(ticks):
            await tick()
        return ticks * per_tick / (time.process_time() - begin)

    yield None
    while True:
        yield loop.run_until_complete(all_ticks())


def websockets(per_tick: int, ticks: int) -> Iterator[float | None]:
    async def start() -> Callable[[], Awaitable[object]]:
        import msgpack
        from websockets.asyncio.client import connect
        from websockets.asyncio.server import serve

        async def echo(connection: Any) -> None:
            async for data in connection:
                _, player, text = msgpack.unpackb(data)
                await connection.send(msgpack.packb((2, player, text)))

        # without compression, which is on by default and would cost ten times as much for so short messages
        server = await serve(echo, HOST, 0, compression=None)
        connection = await connect(f"ws://{HOST}:{server.sockets[0].getsockname()[1]}", compression=None, proxy=None)

        async def tick() -> None:
            for _ in range(per_tick):
                await connection.send(msgpack.packb((2, "Tom", "Test message")))
            for _ in range(per_tick):
                _, _player, _text = msgpack.unpackb(await connection.recv())

        return tick

    yield from run_async(start, per_tick, ticks)


def python_socketio(per_tick: int, ticks: int) -> Iterator[float | None]:
    async def start() -> Callable[[], Awaitable[object]]:
        import socketio
        from aiohttp import web

        server: Any = socketio.AsyncServer(async_mode="aiohttp")
        app = web.Application()
        server.attach(app)

        @server.event  # type: ignore[untyped-decorator]
        async def chat(sid: str, player: str, text: str) -> None:
            await server.emit("chat", (player, text), to=sid)

        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        port = runner.addresses[0][1]

        client: Any = socketio.AsyncClient()
        echoed = 0
        done = asyncio.Event()

        @client.on("chat")  # type: ignore[untyped-decorator]
        async def answered(player: str, text: str) -> None:
            nonlocal echoed
            echoed += 1
            if echoed == per_tick:
                done.set()

        await client.connect(f"http://{HOST}:{port}", transports=["websocket"])

        async def tick() -> None:
            nonlocal echoed
            echoed = 0
            done.clear()
            for _ in range(per_tick):
                await client.emit("chat", ("Tom", "Test message"))
            await done.wait()

        return tick

    yield from run_async(start, per_tick, ticks)
