"""Bad lines: losses, duplicates, reordering, delays; the abuse-marked ones are long, and print figures."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Callable
from typing import Any

import figures
import pytest
from abuse import frames
from relays import TcpRelay, UdpRelay
from world import Recorder, World

Note = Callable[..., None]
LINE = {"delay": 0.05, "jitter": 0.02}


def joined(world: World, relay: Any, server: Any) -> Any:
    """Return a connection through a relay; its `there` is the server's."""
    world.add(relay, relay.pump)
    connection = world.connect(relay.address, message_factory=server.message_factory)
    world.until(lambda: connection.connected and server.connections(), timeout=20)
    (connection.there,) = server.connections()
    return connection


def exchange(world: World, connection: Any, count: int, *, small: bool) -> bool:
    """Send numbered messages both ways, of many sizes; all must come, once and in order. False if the line broke.

    :param small: in many small packets; else two hundred messages in one.
    """
    rng = random.Random(4)
    ends = ((connection, connection.there._inbox.handlers[0][0]), (connection.there, connection.handler))
    sent = 0
    while sent < count and all(end.connected for end, _ in ends):
        if all(end.unsent < 300_000 for end, _ in ends):
            for _ in range(min(rng.randint(1, 20) if small else 200, count - sent)):
                text = "x" * rng.choice((0, 10, 100, 1000, 20_000) if rng.random() < 0.05 else (0, 10, 100, 1000))
                text = text if small else ""
                for end, _ in ends:
                    assert end.net_echo([sent, text])
                    if small and rng.random() < 0.3:
                        end.flush()
                sent += 1
        world.pump()

    def over() -> bool:
        done = all(len(handler.messages) >= count for _, handler in ends)
        return done or not all(end.connected for end, _ in ends)

    world.until(over, timeout=200)
    for _, handler in ends:  # a part of them, in order, if it broke
        assert [message.text[0] for message in handler.messages] == list(range(len(handler.messages)))
    return all(len(handler.messages) == count for _, handler in ends)


def meet(relayed: Callable[[Any], Any], adapter: str, count: int, *, small: bool) -> tuple[float, int]:
    """Return how many seconds the exchange took, and how often the line broke before."""
    for attempt in range(10):
        with World(adapter) as world:
            server = world.server()
            connection = joined(world, relayed(server.address), server)
            start = time.monotonic()
            if exchange(world, connection, count, small=small):
                return time.monotonic() - start, attempt
    raise AssertionError("it broke each time")


long = [pytest.mark.abuse, pytest.mark.timeout(400)]


@pytest.mark.parametrize(
    ("loss", "count"), [(0.2, 300), *(pytest.param(loss, 10_000, marks=long) for loss in (0.0, 0.05, 0.2))]
)
def test_reliable_messages_come_once_and_in_order(loss: float, count: int, figure: Note) -> None:
    pytest.importorskip("enet")
    # ENet breaks a connection when one packet or its acknowledgement is lost six times in a row: at 20 % each way that
    # is one packet in 500. So there they are few, and if the line breaks all the same it is tried again.
    took, broken = meet(
        lambda address: UdpRelay(address, loss=loss, duplicate=0.05, reorder=0.05, seed=7, **LINE),
        "enet", count, small=loss < 0.1,
    )  # fmt: skip
    assert broken == 0 or loss  # at 5 % it is one packet in a million
    if count > 1000:
        lost = f", broken {figures.times(broken)} before" if broken else ""
        figure(figures.LOSS, "enet", f"{loss:.0%} lost, 5 % doubled, 5 % late, 50 ± 20 ms: each way, once, in order",
               f"{count} of {count}, {took:.0f} s{lost}", "all")  # fmt: skip


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=long)])
def test_reliable_messages_on_a_slow_tcp_line(count: int, figure: Note) -> None:
    took, broken = meet(lambda address: TcpRelay(address, split=1400, seed=7, **LINE), "socket", count, small=True)
    assert broken == 0
    if count > 1000:
        figure(figures.LOSS, "socket", "stream cut anywhere, 50 ± 20 ms: each way, once, in order",
               f"{count} of {count}, {took:.0f} s", "all")  # fmt: skip


class Both(Recorder):
    """Remembers when what came."""

    def __init__(self) -> None:
        super().__init__()
        self.moves: list[int] = []
        self.echoes: list[int] = []
        self.frame = 0
        self.silence = 0  # the most frames between two that came
        self._last = 0

    def net_move(self, message: Any) -> None:
        self.silence, self._last = max(self.silence, self.frame - self._last), self.frame
        self.moves.append(message.x)

    def net_echo(self, message: Any) -> None:
        self.echoes.append(message.text)


@pytest.mark.abuse
@pytest.mark.timeout(180)
def test_unreliable_beside_reliable(figure: Note) -> None:
    pytest.importorskip("enet")
    with World("enet") as world:
        factory = world.factory()
        factory.register("move", ("x",), reliable=False)
        server = world.server(message_factory=factory, handler=Both)
        relay = UdpRelay(server.address, loss=0.05, seed=11, delay=0.05, jitter=0.005)
        connection = joined(world, relay, server)
        handler = server.made[0]
        sent = 1200  # in 20 s; on a machine too busy for that it takes longer
        for frame in itertools.islice(frames(120), sent):
            handler.frame = frame
            connection.net_move(frame)
            connection.net_echo(frame)
            world.pump()
            with contextlib.suppress(AssertionError):  # between two frames the relay goes on
                world.until(lambda: False, timeout=0.006)
        assert frame == sent - 1
        world.until(lambda: len(handler.echoes) == sent)
        world.settle(0.2)
    lost = 1 - len(handler.moves) / sent
    quarter = sent // 4
    first, last = (sum(low <= x < low + quarter for x in handler.moves) / quarter for low in (0, sent - quarter))
    assert handler.echoes == list(range(sent))
    assert handler.moves == sorted(set(handler.moves))
    assert handler.silence < 60
    assert 0.03 < lost < 0.08  # three standard deviations are 1.9 %
    figure(figures.UNRELIABLE, "enet", "unreliable lost", f"{lost:.1%} of {sent}", "about 5 %")
    figure(figures.UNRELIABLE, "enet", "in the first and the last quarter", f"{1 - first:.1%}, {1 - last:.1%}")
    silence = figures.counted(handler.silence, "frame")
    figure(figures.UNRELIABLE, "enet", "longest gap", f"{silence} of 60 Hz", "60 frames")
    figure(figures.UNRELIABLE, "enet", "reliable", f"{sent} of {sent}", "all")
    assert last > 0.9
