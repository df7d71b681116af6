"""Many clients in a process of their own, so that what a server costs can be told from what they cost."""

from __future__ import annotations

import argparse
import json
import resource
import select
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

__all__ = ["Swarm", "allow_many_sockets"]

HOST = "127.0.0.1"
WAVE = 50  # so many join at a time: a server takes 64 strangers


def allow_many_sockets() -> None:
    """Raise the number of files that this process may open as far as it goes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Swarm:
    """Starts clients that connect to a server here, and take what it sends until they are closed.

    :param kind: ``'pygnetic'``, or by hand: ``'enet'``, ``'tcp'``.
    :param network: of pygnetic's.
    :param answer: whether each sends an input back for each message.
    :param reliable: whether the server's messages are; pygnetic's clients must know.
    """

    def __init__(
        self, kind: str, port: int, count: int, network: str = "enet", answer: bool = False, reliable: bool = True
    ) -> None:
        command = [sys.executable, "-m", "bench.peers.swarm", kind, str(port), str(count), f"--network={network}"]
        command += ["--answer"] if answer else []
        command += [] if reliable else ["--unreliable"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Swarm:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.communicate()

    def joining_cpu(self, pump: Callable[[], object], seconds: float = 60) -> float:
        """Call ``pump`` until all have joined; return the seconds of CPU that it took them."""
        assert self._process.stdout is not None
        deadline = time.monotonic() + seconds
        while not select.select([self._process.stdout], [], [], 0)[0]:
            pump()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the clients did not join within {seconds} s")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the clients ended before all had joined")
        return float(json.loads(line)["cpu"])


# -- the clients' side


def ended() -> bool:
    """Tell whether our stdin was closed."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def joined(begin: float) -> None:
    print(json.dumps({"cpu": time.process_time() - begin}), flush=True)


def run_ours(port: int, count: int, network: str, answer: bool, reliable: bool) -> None:
    import pygnetic as net
    from bench.peers.ours import state_factory

    connected = 0
    lost = ""

    class Player(net.Handler):
        def on_connect(self) -> None:
            nonlocal connected
            connected += 1

        def on_disconnect(self) -> None:
            nonlocal lost
            lost = str(self.connection.reason)

        def net_state(self, message: Any) -> None:
            if answer:
                self.connection.net_input(1)

    def wanted() -> bool:
        if lost:
            sys.exit(f"a client was disconnected: {lost}")
        return not ended()

    with net.Client(conn_limit=count, message_factory=state_factory(reliable), n_adapter=network) as client:
        begin = time.process_time()
        for first in range(0, count, WAVE):
            last = min(first + WAVE, count)
            for _ in range(first, last):
                client.connect(HOST, port).add_handler(Player())
            while connected < last and wanted():
                client.update(5)
        joined(begin)
        while wanted():
            client.update(20)
        client.close(0)  # the server waits for our end, and acknowledges nothing meanwhile


def run_enet(port: int, count: int, answer: bool) -> None:
    import enet
    import msgpack

    from bench.peers.by_hand import CONNECT, RECEIVE, RELIABLE

    host = enet.Host(None, count, 2, 0, 0)
    sock = host.socket.fileno()
    connected = 0
    reply = msgpack.packb((3, 1))

    def drain() -> None:
        nonlocal connected
        received = -1
        while received != host.totalReceivedPackets:
            received = host.totalReceivedPackets
            event = host.service(0)
            while event:
                if event.type == RECEIVE:
                    data = event.packet.data
                    if answer and data:
                        event.peer.send(0, enet.Packet(reply, RELIABLE))
                elif event.type == CONNECT:
                    connected += 1
                event = host.check_events()
        host.flush()

    begin = time.process_time()
    for first in range(0, count, WAVE):
        last = min(first + WAVE, count)
        for _ in range(first, last):
            host.connect(enet.Address(HOST.encode(), port), 2)
        while connected < last and not ended():
            drain()
            select.select([sock], [], [], 0.005)
    joined(begin)
    while not ended():
        drain()
        select.select([sock], [], [], 0.02)


def run_tcp(port: int, count: int) -> None:
    selector = selectors.DefaultSelector()
    begin = time.process_time()
    for _ in range(count):
        sock = socket.create_connection((HOST, port))
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ)
    joined(begin)
    while not ended():
        for key, _ in selector.select(0.02):
            key.fileobj.recv(65536)  # type: ignore[union-attr]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["pygnetic", "enet", "tcp"])
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--network", default="enet")
    parser.add_argument("--answer", action="store_true")
    parser.add_argument("--unreliable", dest="reliable", action="store_false")
    args = parser.parse_args()
    allow_many_sockets()
    if args.kind == "pygnetic":
        run_ours(args.port, args.count, args.network, args.answer, args.reliable)
    elif args.kind == "enet":
        run_enet(args.port, args.count, args.answer)
    else:
        run_tcp(args.port, args.count)


if __name__ == "__main__":
    main()
