"""What nobody should do, each in a process of its own: `misuse.py CASE ADAPTER`. It may raise; it must not crash."""

from __future__ import annotations

import builtins
import contextlib
import gc
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pygnetic as net
from pygnetic.message import MessageFactory


def pair(adapter: str) -> tuple[net.Server, net.Client, Any]:
    factory = MessageFactory("json")
    factory.register("echo", ("text",))
    factory.register("move", ("x",), reliable=False)
    server = net.Server("127.0.0.1", 0, message_factory=factory, n_adapter=adapter, handler=net.Handler)
    client = net.Client(message_factory=factory, n_adapter=adapter)
    connection = client.connect(*server.address)
    end = time.monotonic() + 5
    while not (connection.connected and server.handlers()) and time.monotonic() < end:
        client.update()
        server.update()
    return server, client, connection


def unacknowledged(*connections: Any) -> None:
    """Leave packets with ENet that it will free one day, and call Python for each."""
    for connection in connections:
        for _ in range(10):
            connection.net_echo("x" * 40_000)
            connection.net_move(1)
        connection.flush()


def use(connection: Any) -> None:
    """Do all that can be done with a connection, whatever that raises."""
    uses: list[Callable[[], object]] = [
        lambda: connection.net_echo("x" * 1000), lambda: connection.net_move(1), lambda: connection.send("echo", "x"),
        lambda: connection.flush(), lambda: connection.unsent, lambda: connection.address, lambda: repr(connection),
        lambda: connection.stats, lambda: connection.connected, lambda: connection.add_handler(net.Handler()),
        lambda: connection.disconnect(), lambda: connection.disconnect(-1), lambda: connection.parent.update(),
    ]  # fmt: skip
    for one in uses:
        with contextlib.suppress(Exception):
            one()


def after_close(adapter: str) -> None:
    server, client, connection = pair(adapter)
    there = server.connections()[0]
    unacknowledged(connection, there)
    client.close()
    server.close()
    for _ in range(2):
        use(connection)
        use(there)
        client.close()
        server.close()
        for end in (client, server):
            with contextlib.suppress(RuntimeError):
                end.update()
    with contextlib.suppress(RuntimeError):
        client.connect("127.0.0.1", 5000)


def after_collection(adapter: str) -> None:
    server, client, connection = pair(adapter)
    there = server.connections()[0]
    proxy = server.handlers()[0].connection
    unacknowledged(connection, there)
    del client
    gc.collect()
    use(connection)
    del server
    gc.collect()
    use(there)
    use(proxy)
    del connection, there
    gc.collect()
    use(proxy)


def after_collection_the_other_way_round(adapter: str) -> None:
    server, client, connection = pair(adapter)
    peers = [connection._peer, server.connections()[0]._peer]
    unacknowledged(connection, server.connections()[0])
    adapters = [client._adapter, server._adapter]
    del client, server, connection
    gc.collect()
    for one in adapters:
        one.poll()
        one.close()
        one.poll()
        one.flush()
    for peer in peers:
        peer.send(b"x")
        peer.disconnect()
        peer.abort()
        assert peer.unsent is not None
    del adapters[:]
    gc.collect()
    for peer in peers:
        peer.send(b"x", reliable=False)
        peer.abort()


def at_exit(adapter: str) -> None:
    builtins.kept = ends = pair(adapter)  # type: ignore[attr-defined]
    unacknowledged(ends[2], ends[0].connections()[0])


def at_exit_in_a_circle(adapter: str) -> None:
    server, client, connection = pair(adapter)
    unacknowledged(connection, server.connections()[0])
    server.circle = [client, server]  # type: ignore[attr-defined]
    client.circle = server  # type: ignore[attr-defined]


def at_exit_in_a_thread(adapter: str) -> None:
    def play() -> None:
        server, client, connection = pair(adapter)
        while True:
            unacknowledged(connection)
            client.update(5)
            server.update(5)

    threading.Thread(target=play, daemon=True).start()
    time.sleep(0.2)  # nothing to pump: the point is to leave in the middle


def at_exit_in_a_handler(adapter: str) -> None:
    server, client, connection = pair(adapter)

    class Leaving(net.Handler):
        def on_receive(self, message: Any, **kwargs: Any) -> None:
            sys.exit(0)

    server.connections()[0].add_handler(Leaving())
    while True:
        unacknowledged(connection)
        client.update()
        server.update()


def after_fork(adapter: str) -> None:
    server, client, connection = pair(adapter)
    there = server.connections()[0]
    unacknowledged(connection, there)
    children = []
    for action in ("leave", "collect", "use"):
        pid = os.fork()
        if not pid:
            if action == "collect":
                del client, server, connection, there
                gc.collect()
            elif action == "use":
                for end in (client, server):
                    with contextlib.suppress(RuntimeError):  # it is the parent's
                        end.update()
                use(connection)
                use(there)
                for end in (client, server):
                    end.close()
            sys.exit(0)
        children.append(pid)
    for pid in children:
        _, status = os.waitpid(pid, 0)
        assert status == 0, status
    use(connection)
    for end in (client, server):
        end.update()
        end.close()


def fork_and_leave_it_alone(adapter: str) -> None:
    server, client, connection = pair(adapter)
    for _ in range(3):
        pid = os.fork()
        if not pid:
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    before = server.connections()[0].messages_received
    connection.net_echo("the parent goes on")
    end = time.monotonic() + 5
    while server.connections()[0].messages_received == before:
        assert time.monotonic() < end
        client.update()
        server.update()


def close_inside_a_handler(adapter: str) -> None:
    server, client, connection = pair(adapter)

    class Closing(net.Handler):
        def on_receive(self, message: Any, **kwargs: Any) -> None:
            server.close()
            client.close()
            gc.collect()

    server.connections()[0].add_handler(Closing())
    for number in range(10):
        connection.net_echo(number)
    with contextlib.suppress(RuntimeError):
        for _ in range(500):
            client.update(1)
            server.update(1)


class Alarm(BaseException):
    """Comes at any moment, as Ctrl-C does."""


def interrupted(adapter: str) -> None:
    """A signal raises in the middle of anything, many hundred times; the loop can go on each time."""

    def ring(*_: Any) -> None:
        raise Alarm

    server, client, connection = pair(adapter)
    signal.signal(signal.SIGALRM, ring)
    rng = random.Random(5)
    rings = 0
    end = time.monotonic() + 0.8
    while time.monotonic() < end:
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-5, 3e-3))
            try:
                while time.monotonic() < end:
                    for _ in range(5):
                        connection.net_echo("x" * rng.choice((3, 3000)))
                        connection.net_move(1)
                    client.update(rng.choice((0, 1)))
                    server.update()
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except Alarm:
            rings += 1
        if not connection.connected:
            server.close()
            client.close()
            server, client, connection = pair(adapter)
    assert rings > 20, rings


def interrupted_while_waiting(adapter: str) -> None:
    server, client, _ = pair(adapter)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    try:
        while time.monotonic() < start + 10:  # update() returns when something is due, a PING for instance
            server.update(5000)
    except KeyboardInterrupt:
        assert time.monotonic() < start + 4
        server.update()
        client.update()
        return
    raise AssertionError("not interrupted")


CASES = {
    case.__name__: case
    for case in (
        after_close, after_collection, after_collection_the_other_way_round, at_exit, at_exit_in_a_circle,
        at_exit_in_a_thread, at_exit_in_a_handler, close_inside_a_handler, after_fork, fork_and_leave_it_alone,
        interrupted, interrupted_while_waiting,
    )
}  # fmt: skip
POSIX = ("after_fork", "fork_and_leave_it_alone", "interrupted", "interrupted_while_waiting")

if __name__ == "__main__":
    CASES[sys.argv[1]](sys.argv[2])
