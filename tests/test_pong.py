"""Pong: bots play it to the end, a player is killed, nobody is faster than the rules allow."""

from __future__ import annotations

from collections.abc import Callable

from relays import pump_until
from tables import NAMES, Hands, Run, Table, kill, needs_examples, open_window

pytestmark = needs_examples


def test_pong_to_the_end(sit_down: Callable[[str], Table]) -> None:
    table = sit_down("pong")
    ada, blaise, clara = (table.join(name) for name in NAMES[:3])
    assert table.until(lambda: (ada.side, blaise.side, clara.side) == (0, 1, -1))
    table.until(lambda: table.server.matches and "beats" in clara.text)
    winner, loser = clara.text.split(" 5:")[0].split(" beats ")
    assert {winner, loser} == {"Ada", "Blaise"} and ada.text == clara.text
    by_name = {"Ada": ada, "Blaise": blaise}
    table.until(lambda: clara.side >= 0 and by_name[loser].side == -1)
    assert by_name[winner].side == 1 - clara.side, "who wins stays where it is"
    assert clara.points == [0, 0] or sum(clara.points) < 5


def test_pong_goes_on_when_a_player_is_killed(sit_down: Callable[[str], Table], run: Run) -> None:
    table = sit_down("pong")
    victim = table.victim(run)
    ada, blaise = table.join("Ada"), table.join("Blaise")
    table.until(lambda: ada.side == 1 and sum(ada.points) > 0)
    assert ada.names == ["Victim", "Ada"]
    kill(victim)
    # over UDP nobody knows that it is dead yet; its paddle stands still, and it loses
    table.until(lambda: blaise.text.startswith(("Ada beats Blaise", "Blaise beats Ada")))


def test_pong_takes_wishes_and_no_more(sit_down: Callable[[str], Table]) -> None:
    table = sit_down("pong")
    ada, blaise = table.join("Ada", bot=False), table.join("Blaise", bot=False)
    table.until(lambda: blaise.side == 1)
    before = table.server.paddles[1]
    blaise.link.net_steer(1, 1000)
    table.until(lambda: table.server.paddles[1] != before)
    assert table.server.paddles[1] - before <= table.game["SPEED"]
    ada.steer(-1)
    assert ada.mine < table.game["HEIGHT"] / 2, "our own paddle does not wait for the server"


def test_nobody_is_faster_in_pong_by_sending_more(sit_down: Callable[[str], Table]) -> None:
    table = sit_down("pong")
    _, blaise = table.join("Ada", bot=False), table.join("Blaise", bot=False)
    table.until(lambda: blaise.side == 1)
    guest, before = table.server.sides[1], table.server.paddles[1]
    for number in range(1, 61):
        blaise.link.net_steer(number, 1)
    table.clients[1].update()
    pump_until(lambda: guest.number == 60, lambda: table.server.update() or True, timeout=30)
    assert table.server.paddles[1] - before <= table.game["SPEED"] * table.game["BURST"]


def test_the_own_paddle_in_pong_does_not_sway_when_answers_are_old(sit_down: Callable[[str], Table]) -> None:
    table = sit_down("pong")
    ada, _ = table.join("Ada", bot=False), table.join("Blaise", bot=False)
    table.until(lambda: ada.side == 0)
    server, client, start = table.server, table.clients[0], ada.mine
    for _ in range(6):
        ada.steer(1)
    client.update()
    pump_until(lambda: server.sides[0].number == 6, lambda: server.update() or True, timeout=30)
    server.tick()
    server.update()
    for dy in (1, 1, 1, 1, 1, 1, 0):  # the key goes up before the answer to the first six is there
        ada.steer(dy)
    assert ada.mine == start + 12 * table.game["SPEED"]
    pump_until(lambda: ada.paddles[0] == start + 6 * table.game["SPEED"], lambda: client.update() or True, timeout=30)
    assert ada.mine == start + 12 * table.game["SPEED"]
    table.until(lambda: ada.paddles[0] == ada.mine)
    server.paddles[0] = 100  # the server is right
    table.until(lambda: ada.mine == 100)


def test_pong_by_hand(sit_down: Callable[[str], Table], hands: Hands) -> None:
    table = sit_down("pong")
    ada, _ = table.join("Ada", bot=False), table.join("Blaise")
    open_window(table, ada)
    table.until(lambda: ada.side == 0)
    hands.held = {hands.pygame.K_w}
    table.until(lambda: ada.paddles[0] == table.game["PADDLE"])
    hands.held = {hands.pygame.K_DOWN}
    table.until(lambda: ada.paddles[0] == table.game["HEIGHT"] - table.game["PADDLE"])
    hands.held = set()
    table.until(lambda: abs(ada.mine - ada.paddles[0]) < 1)
