"""Servers with many clients: by hand, and with pygnetic. The clients live in another process (``swarm.py``)."""

from __future__ import annotations

import functools
import gc
import select
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

from bench.peers.swarm import HOST, Swarm, allow_many_sockets

__all__ = [
    "broadcast", "broadcast_enet", "broadcast_tcp", "idle", "idle_enet", "inputs", "inputs_enet", "join", "join_enet",
    "memory",
]  # fmt: skip

DATA = bytes(range(95))  # a message of 100 bytes with its header
WARM_UP = 6  # frames before each measurement


def in_time(count: int, hz: int, frame: Callable[[], object]) -> None:
    """Call ``frame`` so many times, ``hz`` times a second; who is late has lost the time."""
    due = time.monotonic()
    for _ in range(count):
        frame()
        due = max(due + 1 / hz, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))


def cpu_of_frames(count: int, hz: int, frame: Callable[[], object]) -> float:
    """Call ``frame`` ``hz`` times a second; return the us of this process's CPU that each took."""
    in_time(WARM_UP, hz, frame)
    begin = time.process_time()
    in_time(count, hz, frame)
    return (time.process_time() - begin) / count * 1e6


def inputs_a_frame(
    server: Any, number: int, hz: int, send: Callable[[], object], take: Callable[[float], object]
) -> float:
    """Send in each frame, and take what comes until it is over; return how many inputs came in one."""
    due = time.monotonic()
    for frame in range(-WARM_UP, number):
        if frame == 0:
            server.inputs = 0
        due += 1 / hz
        send()
        while (left := due - time.monotonic()) > 0:
            take(left)
    return float(server.inputs) / number


# -- by hand


class EnetServer:
    """A host, its peers, and the inputs that came."""

    def __init__(self, count: int) -> None:
        import enet

        self.enet = enet
        self.host = enet.Host(enet.Address(HOST.encode(), 0), count, 2, 0, 0)
        self.peers: list[Any] = []
        self.inputs = 0

    def drain(self) -> None:
        """Send and receive; one service() reads 256 datagrams, so until it has read fewer."""
        import msgpack

        host, unpack = self.host, msgpack.unpackb
        connect, receive = self.enet.EVENT_TYPE_CONNECT, self.enet.EVENT_TYPE_RECEIVE
        while True:
            before = host.totalReceivedPackets
            event = host.service(0)
            while event:
                if event.type == receive:
                    unpack(event.packet.data)
                    self.inputs += 1
                elif event.type == connect:
                    self.peers.append(event.peer)
                event = host.check_events()
            if host.totalReceivedPackets - before < 256:
                return

    def wait(self) -> None:
        select.select([self.host.socket.fileno()], [], [], 0.005)
        self.drain()


def broadcast_enet(count: int, number: int, each: bool = False, reliable: bool = True, hz: int = 60) -> Iterator[Any]:
    """Broadcast 100 bytes ``hz`` times a second; us of CPU a frame.

    :param number: of frames in one measurement.
    :param each: a Packet for each peer instead of ``host.broadcast``.
    """
    import msgpack

    server = EnetServer(count)
    host, make_packet = server.host, server.enet.Packet
    flags = server.enet.PACKET_FLAG_RELIABLE if reliable else 0

    def frame() -> None:
        data = msgpack.packb((2, DATA))
        if each:
            for peer in server.peers:
                peer.send(0, make_packet(data, flags))
        else:
            host.broadcast(0, make_packet(data, flags))
        server.drain()

    with Swarm("enet", host.address.port, count) as swarm:
        swarm.joining_cpu(server.wait)
        yield server.drain
        while True:
            yield cpu_of_frames(number, hz, frame)


def broadcast_tcp(count: int, number: int) -> Iterator[Any]:
    """Broadcast 100 bytes 60 times a second over TCP; us of CPU a frame."""
    import msgpack

    allow_many_sockets()
    epoll = select.epoll()
    listener = socket.create_server((HOST, 0), backlog=128)
    socks: dict[int, socket.socket] = {}

    def frame() -> None:
        data = msgpack.packb((2, DATA))
        data = len(data).to_bytes(4, "big") + data
        for sock in socks.values():
            sock.send(data)
        for number, _ in epoll.poll(0):
            socks[number].recv(65536)

    def accept() -> None:
        if select.select([listener], [], [], 0.005)[0]:
            sock, _ = listener.accept()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            socks[sock.fileno()] = sock
            epoll.register(sock, select.EPOLLIN)

    with Swarm("tcp", listener.getsockname()[1], count) as swarm:
        swarm.joining_cpu(accept)
        while len(socks) < count:
            accept()
        yield None
        while True:
            yield cpu_of_frames(number, 60, frame)


def inputs_enet(count: int, number: int, hz: int, once: bool = False) -> Iterator[Any]:
    """Broadcast, and take each client's answer to it; inputs taken a frame.

    :param once: call ``service(0)`` once a frame and sleep, instead of waiting for the socket.
    """
    import msgpack

    server = EnetServer(count)
    host, make_packet, reliable = server.host, server.enet.Packet, server.enet.PACKET_FLAG_RELIABLE
    sock = [host.socket.fileno()]

    def send() -> None:
        host.broadcast(0, make_packet(msgpack.packb((2, DATA)), reliable))
        host.flush()

    def take(seconds: float) -> None:
        select.select(sock, [], [], seconds)
        server.drain()

    def take_once(seconds: float) -> None:
        time.sleep(seconds)
        event = host.service(0)
        while event:
            server.inputs += event.type == server.enet.EVENT_TYPE_RECEIVE
            event = host.check_events()

    with Swarm("enet", host.address.port, count, answer=True) as swarm:
        swarm.joining_cpu(server.wait)
        yield server.drain
        while True:
            yield inputs_a_frame(server, number, hz, send, take_once if once else take)


def idle_enet(count: int, calls: int) -> Iterator[Any]:
    """Call ``service(0)`` while nobody does anything; us of CPU a call."""
    server = EnetServer(count)
    with Swarm("enet", server.host.address.port, count) as swarm:
        swarm.joining_cpu(server.wait)
        service = server.host.service
        yield server.drain
        while True:
            server.drain()
            begin = time.process_time()
            for _ in range(calls):
                service(0)
            yield (time.process_time() - begin) / calls * 1e6


def join_enet(count: int) -> Iterator[Any]:
    """Let clients connect in waves of 50; us of both ends' CPU a client."""
    yield None
    while True:
        server = EnetServer(count)
        begin = time.process_time()
        with Swarm("enet", server.host.address.port, count) as swarm:
            cpu = swarm.joining_cpu(server.wait)
            yield (time.process_time() - begin + cpu) / count * 1e6


# -- with pygnetic


def make_server(count: int, network: str, reliable: bool = True) -> Any:
    """Return a server that counts inputs, and has a handler for each client."""
    import pygnetic as net
    from bench.peers.ours import state_factory

    allow_many_sockets()

    class Player(net.Handler):
        def net_input(self, message: Any) -> None:
            self.server.inputs += 1

    class Server(net.Server):
        inputs = 0

    factory = state_factory(reliable)
    return Server(HOST, 0, count, handler=Player, message_factory=factory, n_adapter=network)


def filled(server: Any, swarm: Swarm, count: int) -> None:
    """Update until all clients are connected."""
    swarm.joining_cpu(functools.partial(server.update, 5))
    while len(server.connections()) < count:
        server.update(5)


def broadcast(
    count: int, number: int, network: str = "enet", reliable: bool = True, filtered: bool = True, hz: int = 60
) -> Iterator[Any]:
    """Broadcast 100 bytes ``hz`` times a second; us of CPU a frame."""
    with make_server(count, network, reliable) as server:
        with Swarm("pygnetic", server.address[1], count, network, reliable=reliable) as swarm:
            filled(server, swarm, count)
            if not filtered:
                server._adapter._host.intercept = None

            def frame() -> None:
                server.broadcast("state", DATA)
                server.update()

            yield server.update
            while True:
                yield cpu_of_frames(number, hz, frame)


def inputs(count: int, number: int, hz: int, network: str = "enet", once: bool = False) -> Iterator[Any]:
    """Broadcast, and take each client's answer to it; inputs taken a frame.

    :param once: call ``update()`` once a frame and sleep, instead of ``update(timeout)``.
    """
    with make_server(count, network) as server:
        with Swarm("pygnetic", server.address[1], count, network, answer=True) as swarm:
            filled(server, swarm, count)

            def take(seconds: float) -> None:
                server.update(seconds * 1000)

            def take_once(seconds: float) -> None:
                time.sleep(seconds)
                server.update()

            def send() -> None:
                server.broadcast("state", DATA)
                if once:
                    server.update()

            yield server.update
            while True:
                yield inputs_a_frame(server, number, hz, send, take_once if once else take)


def idle(count: int, calls: int, network: str = "enet") -> Iterator[Any]:
    """Call ``server.update(0)`` while nobody does anything; us of CPU a call."""
    with make_server(count, network) as server, Swarm("pygnetic", server.address[1], count, network) as swarm:
        filled(server, swarm, count)
        update = server.update
        yield server.update
        while True:
            update(0)
            begin = time.process_time()
            for _ in range(calls):
                update(0)
            yield (time.process_time() - begin) / calls * 1e6


def join(count: int, network: str = "enet") -> Iterator[Any]:
    """Let clients connect in waves of 50; us of both ends' CPU a client."""
    yield None
    while True:
        with make_server(count, network) as server:
            begin = time.process_time()
            with Swarm("pygnetic", server.address[1], count, network) as swarm:
                cpu = swarm.joining_cpu(functools.partial(server.update, 5))
                yield (time.process_time() - begin + cpu) / count * 1e6


def memory(count: int, network: str = "enet") -> Iterator[Any]:
    """Let clients connect; bytes of Python objects that the server keeps for each."""
    yield None
    while True:
        tracemalloc.start()
        with make_server(count, network) as server:
            with Swarm("pygnetic", server.address[1], count, network) as swarm:
                while not server.connections():  # what is made with the first is shared by all
                    server.update(5)
                gc.collect()
                already = len(server.connections())
                before = tracemalloc.get_traced_memory()[0]
                filled(server, swarm, count)
                server.update()
                gc.collect()
                yield (tracemalloc.get_traced_memory()[0] - before) / (len(server.connections()) - already)
        tracemalloc.stop()
