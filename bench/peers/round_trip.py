"""One message to another process and back, both ends waiting for it; us, the median of many."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

__all__ = ["by_hand", "ours"]


class Other:
    """The echo server in its own process; this file, started again."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "bench.peers.round_trip", *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Other:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.communicate()


def ended() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def rounds(number: int, trip: Callable[[], object]) -> Iterator[float]:
    clock = time.perf_counter
    while True:
        times = []
        for _ in range(number):
            begin = clock()
            trip()
            times.append(clock() - begin)
        yield median(times) * 1e6


def by_hand(number: int) -> Iterator[float | None]:
    """pyenet + msgpack: wait with select(), then service(0)."""
    import enet
    import msgpack

    from bench.peers.by_hand import HOST, RECEIVE, RELIABLE

    with Other("by_hand") as other:
        host = enet.Host(None, 1, 1, 0, 0)
        peer = host.connect(enet.Address(HOST, other.port), 1)
        while not host.service(100).type:
            pass
        sock = [host.socket.fileno()]

        def trip() -> None:
            peer.send(0, enet.Packet(msgpack.packb((2, "Tom", "Test message")), RELIABLE))
            host.flush()
            while True:
                select.select(sock, [], [], 0.1)
                event = host.service(0)
                while event:
                    if event.type == RECEIVE:
                        _, _player, _text = msgpack.unpackb(event.packet.data)
                        return
                    event = host.check_events()

        yield None
        yield from rounds(number, trip)


def serve_by_hand() -> None:
    import enet
    import msgpack

    from bench.peers.by_hand import HOST, RECEIVE, RELIABLE

    host = enet.Host(enet.Address(HOST, 0), 1, 1, 0, 0)
    sock = [host.socket.fileno()]
    print(host.address.port, flush=True)
    last = time.monotonic()
    while True:
        if not select.select(sock, [], [], 0.1)[0] and time.monotonic() > last + 1 and ended():
            return
        event = host.service(0)
        while event:
            if event.type == RECEIVE:
                last = time.monotonic()
                _, player, text = msgpack.unpackb(event.packet.data)
                event.peer.send(0, enet.Packet(msgpack.packb((2, player, text)), RELIABLE))
            event = host.check_events()
        host.flush()


def ours(number: int, network: str = "enet", codec: str = "msgpack") -> Iterator[float | None]:
    import pygnetic as net
    from bench.peers.ours import Count, chat_factory

    with Other("ours", network, codec) as other:
        with net.Client(message_factory=chat_factory(codec), n_adapter=network) as client:
            connection: Any = client.connect("127.0.0.1", other.port)
            count = Count()
            connection.add_handler(count)
            while not connection.connected:
                client.update(10)

            def trip() -> None:
                connection.net_chat_msg("Tom", "Test message")
                count.echoed = 0
                while not count.echoed:
                    client.update(100)

            yield None
            yield from rounds(number, trip)


def serve_ours(network: str, codec: str) -> None:
    import pygnetic as net
    from bench.peers.ours import Echo, chat_factory

    with net.Server("127.0.0.1", 0, handler=Echo, message_factory=chat_factory(codec), n_adapter=network) as server:
        print(server.address[1], flush=True)
        look = 0.0
        while True:
            server.update(100)
            now = time.monotonic()
            if now > look:
                look = now + 1
                if ended():
                    return


if __name__ == "__main__":
    serve_by_hand() if sys.argv[1] == "by_hand" else serve_ours(*sys.argv[2:])
