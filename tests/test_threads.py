"""Sends from another thread than the one that calls update(): each arrives once, or the call raised."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from world import World

from pygnetic.limits import Limits


@pytest.fixture(autouse=True)
def busy_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("size", [1, 5000])
def test_what_other_threads_send_arrives_once_or_the_call_raises(world: World, size: int) -> None:
    limits = Limits(unsent=16_000_000, backlog=16_000_000)
    server = world.server(message_factory=world.factory(echo=("sender", "number", "text")), limits=limits)
    alice = world.join(server, limits=limits)
    accepted: dict[int, list[int]] = {1: [], 2: []}
    raised: list[str] = []

    def send(sender: int) -> None:
        for number in range(400):
            try:
                if alice.net_echo(sender, number, "x" * size):
                    accepted[sender].append(number)
            except RuntimeError as error:
                raised.append(str(error))

    threads = [threading.Thread(target=send, args=(sender,)) for sender in accepted]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        world.pump()
        alice.net_echo(0, 0, "from here")
    for thread in threads:
        thread.join()
    got: list[Any] = server.made[0].messages
    world.until(lambda: sum(message.sender > 0 for message in got) >= sum(map(len, accepted.values())))
    world.settle()
    for sender, numbers in accepted.items():
        assert [message.number for message in got if message.sender == sender] == numbers
    assert all("another thread is in update()" in text for text in raised)
    assert alice.connected and (size > 1 or not raised)
