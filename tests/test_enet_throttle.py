"""A line that loses nothing delivers everything unreliable, however the frames of the two games lengthen."""

from __future__ import annotations

import pytest
from abuse import Child, frames
from world import World

pytest.importorskip("enet")


def test_longer_frames_lose_nothing() -> None:
    with World("enet") as world:
        factory = world.factory()
        factory.register("move", ("x",), reliable=False)
        server = world.server(message_factory=factory)
        child = Child("children.py", "steady", "enet", *server.address)
        try:
            for rate, seconds in ((400, 2.5), (60, 4.0)):
                for _ in frames(seconds, rate):
                    server.update()
        finally:
            child.close()
        numbers = [message.x for message in server.made[0].messages]
    assert len(numbers) > 200
    assert len(numbers) >= 0.98 * (numbers[-1] - numbers[0] + 1), "nothing was lost on the way"
