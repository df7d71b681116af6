"""A player who dies without a word keeps the place for a while; a spare one lets the player in again at once."""

from typing import Any

import pytest
from pages import page
from world import World

from pygnetic.errors import DisconnectReason
from pygnetic.limits import DEFAULT

PLAYERS = 8
MOST = int(DEFAULT.idle_time)


def full_house(world: World, places: int) -> tuple[Any, list[Any]]:
    """Return a server with eight players, of whom one has died: the program is there no more, and said nothing."""
    server = world.server(conn_limit=places)
    players = [world.join(server) for _ in range(PLAYERS)]
    world.pumps.remove(players[0].client.update)
    return server, players


def test_the_place_of_a_dead_player_is_free_after_a_while(memory_world: World) -> None:
    world = memory_world
    server, players = full_house(world, PLAYERS)
    again = world.connect(server)
    world.until(lambda: again.reason)
    assert again.reason.code == DisconnectReason.SERVER_FULL
    died = world.clock.now
    while len(server.connections()) == PLAYERS:
        world.clock.now += 0.25
        world.pump()
        assert world.clock.now <= died + MOST + 0.5
    assert world.clock.now >= died + DEFAULT.idle_time - 1
    assert world.join(server).connected
    assert all(player.connected for player in players[1:])


def test_a_spare_place_lets_the_player_in_at_once(world: World) -> None:
    server, players = full_house(world, PLAYERS + 1)
    assert world.join(server).connected
    assert len(server.connections()) == PLAYERS + 1 and players[0].there.connected  # the dead one still counts


@pytest.mark.parametrize("name", ["howto/dedicated_server", "reference/limits", "security", "not_yet", "../CHANGES"])
def test_the_pages_say_how_long(name: str) -> None:
    text = " ".join(page(name).split())
    assert f"up to {MOST} s" in text
    assert "spare places" in text
