"""The whiteboard: everybody sees the same picture, whoever comes late, is killed or draws too much."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tables import NAMES, Hands, Run, Table, kill, needs_examples, open_window

pytestmark = needs_examples


def test_whiteboard_to_the_end(sit_down: Callable[[str], Table]) -> None:
    table = sit_down("whiteboard")
    early = [table.join(name) for name in NAMES[:3]]
    table.until(lambda: all(player.done for player in early))
    late = table.join("Late", bot=False)
    everybody = [*early, late]
    table.until(lambda: all(len(player.picture) == len(table.server.picture) for player in everybody))
    assert len(late.picture) == 3 * 201
    assert all(player.picture == late.picture for player in everybody), "stroke by stroke, in the same order"
    assert late.people == {player.me: player.name for player in everybody}
    assert {i for i, *_ in late.pens} == {player.me for player in early}

    late.link.net_wipe()
    table.until(lambda: all(player.wipes and not player.picture for player in everybody))
    late.stroke(4, [(1, 2), (3, 4)])
    assert late.unconfirmed
    table.until(lambda: all(player.picture == [(late.me, late.colour, 4, [(1, 2), (3, 4)])] for player in everybody))
    assert not late.unconfirmed


def test_a_stroke_that_is_wiped_before_anybody_got_it_leaves_no_trace(sit_down: Callable[[str], Table]) -> None:
    table = sit_down("whiteboard")
    ada, blaise = table.join("Ada"), table.join("Blaise", bot=False)
    table.until(lambda: ada.step > 200)  # it draws its last stroke
    ada.stroke(4, [(1, 2), (3, 4)])
    ada.link.net_wipe()  # the server gets both at once
    table.until(lambda: ada.wipes and blaise.wipes)
    table.until(lambda: not ada.unconfirmed and ada.done)
    assert ada.picture == blaise.picture == table.server.picture == []


def test_a_slow_guest_gets_a_big_picture_in_portions(sit_down: Callable[[str], Table]) -> None:
    table = sit_down("whiteboard")
    stroke = (1, 2, 3, [(number, number) for number in range(100)])
    table.server.picture = [stroke] * 4000  # over 1 MiB, more than may be unsent
    most = 0

    def got_all() -> bool:
        nonlocal most
        most = max([most, *(connection.unsent for connection in table.server.connections())])
        return len(late.picture) == 4000

    late = table.join("Late", bot=False)
    table.until(got_all)
    assert 0 < most < 128 * 1024
    assert late.link.connected


def test_whiteboard_goes_on_when_a_player_is_killed(sit_down: Callable[[str], Table], run: Run) -> None:
    table = sit_down("whiteboard")
    victim = table.victim(run)
    ada = table.join("Ada")
    table.until(lambda: len({row[0] for row in ada.picture}) == 2)
    kill(victim)
    blaise = table.join("Blaise")
    table.until(lambda: ada.done and blaise.done and len(blaise.picture) == len(table.server.picture))
    assert ada.picture == blaise.picture, "with what the victim drew"
    assert len({row[0] for row in blaise.picture}) == 3


def test_whiteboard_by_hand(sit_down: Callable[[str], Table], hands: Hands) -> None:
    table = sit_down("whiteboard")
    ada, blaise = table.join("Ada", bot=False), table.join("Blaise", bot=False)
    window = open_window(table, ada)
    table.until(lambda: ada.me)
    hands.press(hands.pygame.K_3, "3")
    hands.press(hands.pygame.K_PLUS, "+")
    hands.mouse = (100, 100)
    table.until(lambda: window.width == 6 and blaise.pens == [(ada.me, 100, 100, 2)])
    hands.button = True
    for x in (110, 120, 130):
        hands.mouse = (x, 100)
        table.pump()
    hands.button = False
    table.until(lambda: len(blaise.picture) == 3 and not ada.unconfirmed)
    assert blaise.picture[-1] == (ada.me, 2, 6, [(120, 100), (130, 100)])
    table.pump()
    assert window.screen.get_at((125, 101))[:3] == hands.pygame.Color(table.game["stage"].COLOURS[2])[:3]
    hands.mouse, hands.button = (24 + 32 * 6, 500), True  # a click on a colour is no stroke
    hands.click(*hands.mouse)
    table.until(lambda: ada.colour == 6)
    table.pump()
    hands.mouse, hands.button = (650, 505), False
    hands.click(650, 505)  # where no colour is
    table.until(lambda: blaise.pens == [(ada.me, 650, 480, 6)])
    assert ada.colour == 6 and len(ada.picture) == 3 and not ada.unconfirmed
    hands.press(hands.pygame.K_DELETE)
    table.until(lambda: not blaise.picture)
    table.pump()
    assert window.screen.get_at((115, 101))[:3] == hands.pygame.Color(table.game["stage"].BACKGROUND)[:3]


def test_a_full_whiteboard_says_so(
    sit_down: Callable[[str], Table], hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = sit_down("whiteboard")
    monkeypatch.setitem(table.game["Guest"].net_draw.__globals__, "MOST_ALL", 100)
    ada, blaise = table.join("Ada", bot=False), table.join("Blaise", bot=False)
    open_window(table, blaise, hands)
    table.until(lambda: ada.me is not None and "2 here, 0 strokes" in hands.read)
    for number in range(60):
        ada.stroke(4, [(number, 1), (number, 2)])
    assert len(ada.unconfirmed) == 60
    table.until(lambda: "2 here, the board is full; Delete wipes it" in hands.read)
    table.until(lambda: len(ada.picture) == 50 and not ada.unconfirmed)
    assert table.server.picture == ada.picture
    hands.press(hands.pygame.K_DELETE)
    table.until(lambda: ada.wipes)
    ada.stroke(4, [(1, 2)])
    table.until(lambda: "2 here, 1 strokes" in hands.read)


def test_one_guest_cannot_fill_the_whiteboard(sit_down: Callable[[str], Table], hands: Hands) -> None:
    table = sit_down("whiteboard")
    vandal, ada = table.join("Vandal", bot=False), table.join("Ada", bot=False)
    open_window(table, vandal, hands)
    table.until(lambda: vandal.me is not None and ada.me is not None)
    line = [(number, number) for number in range(100)]
    table.until(lambda: [vandal.stroke(4, line) for _ in range(5)] and vandal.link.reason)
    assert "KICKED: nobody draws so fast" in hands.read
    assert sum(len(points) for *_, points in table.server.picture) < 10_000
    ada.stroke(4, line)
    table.until(lambda: ada.picture and ada.picture[-1][0] == ada.me)
    table.until(lambda: ada.people == {ada.me: "Ada"})
