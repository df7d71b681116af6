"""The lag lab: its tour to the end, by hand, and when a player is killed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tables import Hands, Run, Table, kill, needs_examples, open_window

pytestmark = needs_examples


def test_lag_lab_to_the_end(sit_down: Callable[[str], Table], capsys: pytest.CaptureFixture[str]) -> None:
    table = sit_down("lag_lab")
    ada = table.join("Ada", seconds=0.2)
    table.until(lambda: ada.done)
    assert [row[:3] for row in ada.measured] == table.game["TOUR"]
    assert capsys.readouterr().out.count("interpolated") == len(ada.measured)
    assert (table.relays[0].delay, table.relays[0].loss) == (0.08, 0.1)


def test_lag_lab_goes_on_when_a_player_is_killed(sit_down: Callable[[str], Table], run: Run) -> None:
    table = sit_down("lag_lab")
    victim = table.victim(run)
    ada = table.join("Ada", bot=False)
    table.until(lambda: len(ada.told) > 5)
    kill(victim)
    ada.told.clear()
    table.until(lambda: len(ada.told) > 20)


def test_lag_lab_by_hand(sit_down: Callable[[str], Table], hands: Hands) -> None:
    table = sit_down("lag_lab")
    ada = table.join("Ada", bot=False)
    open_window(table, ada)
    for name in ("UP", "RIGHT", "RIGHT", "LEFT"):
        hands.press(getattr(hands.pygame, f"K_{name}"))
    for text in "+-+":
        hands.press(0, text)
    table.until(lambda: [guest.rate for guest in table.server.handlers()] == [30])
    assert (ada.rate, ada.relay.delay, ada.relay.loss) == (30, 0.02, 0.05)
