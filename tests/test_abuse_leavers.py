"""What strangers can do by joining and leaving at full speed: `python -m pytest -m abuse` prints the figures."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any

import figures
import pytest
from abuse import MB, Growth, longest, megabytes, needs_proc, settled, spent
from world import World

import pygnetic as net
from pygnetic import network
from pygnetic._core import packets
from pygnetic.errors import DisconnectReason, Reason
from pygnetic.limits import Limits
from pygnetic.network.base import OPENED, PACKET

pytestmark = [pytest.mark.abuse, pytest.mark.timeout(180), needs_proc]

Note = Callable[..., None]
PLACES, SPARE = 4, 32
BYE = packets.bye(Reason(DisconnectReason.CLOSED))


class Alive(net.Handler):
    """A handler that can be counted while it lives."""

    alive: weakref.WeakSet[Any]

    def __init__(self) -> None:
        self.alive.add(self)
        self.got: list[Any] = []

    def net_echo(self, message: Any) -> None:
        self.got.append(message.text)


class Revolving:
    """Strangers that join and leave, over and over, and never close: half of them say HELLO and BYE at once."""

    def __init__(self, world: World, server: Any) -> None:
        adapter_class = network.adapter_class(network.get_adapter(world.network))
        self.adapter = adapter_class(None, 1024, limits=Limits(), **world.options)
        self.address = server.address
        self.hello = packets.hello(server.message_factory.get_hash(), "json")
        self.cycles = self.welcomed = 0
        world.add(self.adapter, self.turn)

    def start(self, count: int) -> None:
        for _ in range(count):
            self.adapter.connect(*self.address)

    def turn(self) -> None:
        for kind, peer, packet, _ in self.adapter.poll():
            if kind == OPENED:
                self.cycles += 1
                peer.send(self.hello)
                if self.cycles % 2:
                    peer.send(BYE)
            elif kind == PACKET and packet == packets.welcome():
                self.welcomed += 1
                peer.send(BYE)
        self.adapter.flush()


def revolve(world: World, frames: int, each: int) -> tuple[Any, Revolving, list[float], float, int, Growth]:
    """Let strangers join and leave for so many frames, with an honest player there.

    :return: the player's handler, the strangers, what each update took, what the strangers took, the most handlers.
    """
    Alive.alive = weakref.WeakSet()
    server = world.server(conn_limit=PLACES, handler=None)
    server.handler = Alive  # and not the world's, which keeps them all
    honest = world.join(server)
    (handler,) = server.handlers()
    strangers = Revolving(world, server)
    updates: list[float] = []
    theirs, most = 0.0, 0
    world.pumps.remove(strangers.turn)
    world.pumps[world.pumps.index(server.update)] = lambda: updates.append(spent(server.update))

    def run(count: int) -> None:
        nonlocal theirs, most
        for number in range(count):
            theirs += spent(lambda: strangers.start(each))
            theirs += spent(strangers.turn)
            world.clock.now += 1 / 60
            world.pump()
            most = max(most, len(Alive.alive))
            if number % (count // 20) == 0:
                honest.net_echo(number)
            if world.network == "enet":
                time.sleep(0.001)  # nothing is waited for: ENet's timers count whole milliseconds

    with settled():
        run(frames // 10)
        updates.clear()
        theirs, strangers.cycles = 0.0, 0
        with Growth() as growth:
            run(frames)
            world.until(lambda: len(handler.got) == 40)
    assert honest.connected
    return handler, strangers, updates, theirs, most, growth


@pytest.mark.parametrize("adapter", ["enet", "socket"])
def test_join_and_leave_at_full_speed(adapter: str, figure: Note) -> None:
    if adapter == "enet":
        pytest.importorskip("enet")
    with World(adapter) as world:
        _, strangers, updates, theirs, most, growth = revolve(world, 400, 10)
        figure(figures.LEAVERS, adapter, "handlers at once", str(most), f"{PLACES + SPARE}")
        figure(figures.LEAVERS, adapter, "memory at its worst", megabytes(growth.peak), "below +5 MB")
        figure(figures.LEAVERS, adapter, "an honest client's messages", "40 of 40", "40")
        figure(figures.LEAVERS, adapter, "longest update", f"{max(updates):.1f} ms", "10 ms")
        mine, theirs = sum(updates) * 1000 / strangers.cycles, theirs * 1000 / strangers.cycles
        figure(figures.LEAVERS, adapter, "processor time of each", f"{mine:.0f} µs; its own {theirs:.0f} µs")
        assert strangers.cycles > 1000 and strangers.welcomed > 100
        assert PLACES < most <= PLACES + SPARE
        assert growth.peak < 5 * MB
        assert longest(updates) <= 10


def test_join_and_leave_for_ten_minutes(figure: Note) -> None:
    with World("memory", frozen_time=True) as world:
        _, strangers, updates, _, most, growth = revolve(world, 36_000, 1)
    figure(figures.LEAVERS, "memory", "handlers at once", str(most), f"{PLACES + SPARE}")
    figure(figures.LEAVERS, "memory", "memory at its worst, 36,000 frames", megabytes(growth.peak), "below +5 MB")
    assert strangers.cycles == 36_000 and strangers.welcomed > 1000
    assert most <= PLACES + SPARE and growth.peak < 5 * MB and longest(updates) <= 10
