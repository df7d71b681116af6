"""All games as a reader starts them, and strangers that send nonsense."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from programs import LOCAL
from tables import SERVERS, Run, Table, needs_examples

import pygnetic as net

pytestmark = needs_examples


@pytest.mark.parametrize("name", ["pong", "reversi"])
def test_a_bot_goes_home_after_its_match(sit_down: Callable[[str], Table], run: Run, name: str) -> None:
    table = sit_down(name)
    program = table.victim(run)
    table.join("Ada")
    if name == "reversi":  # to make it short: there is one move left
        table.server.squares, table.server.turn = [0, 2] + [1] * 62, 1
        table.server.tell()
    table.until(lambda: program.process.poll() is not None)
    assert program.end() == 0, program.output
    assert table.server.games if name == "reversi" else table.server.matches


@pytest.mark.parametrize("name", SERVERS)
def test_nonsense_does_not_stop_a_server(
    sit_down: Callable[[str], Table], name: str, wire_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = sit_down(name)
    player = table.join("Ada", bot=False)
    factory = net.message.message_factory
    nonsense: list[Any] = [[[]], {"a": 1}, None, -(2**63), 1e300, "\0\x1b[2J", "x" * 250, float("nan"), b"\xff"]
    if factory.s_adapter.wire_name != "msgpack":
        nonsense = nonsense[:-2]
    for value in nonsense:
        client = net.Client(n_adapter=wire_name)
        table.clients.append(client)
        connection = client.connect(*table.server.address)
        table.until(lambda c=connection: c.connected)
        for message in factory.classes[1:]:
            connection.send(message, *[value] * len(message._fields))
        table.until(lambda c=connection: c.messages_sent >= len(factory.classes) - 1 and not c.unsent)
        table.clients.pop().close()
    table.until(lambda: len(table.server.connections()) == 1)
    table.until(lambda: player.link.messages_received > 3)
    assert player.link.connected
    said = capsys.readouterr().err
    assert "Traceback" in said and "in net_" in said, "whoever wrote the handler sees where it raised"
    assert said.count("is it a bug of yours?") == said.count("Traceback")


def test_they_play_without_a_screen(run: Run, wire_name: str, tmp_path: Path) -> None:
    pygame = pytest.importorskip("pygame")
    options = f"--host={LOCAL} --port=0 --bots=2 --seconds=1 --adapter={wire_name}".split()
    games = [run(f"{name}.py", *options, f"--screenshot={tmp_path / name}.png") for name in SERVERS]
    for name, game in zip(SERVERS, games, strict=True):
        assert game.end() == 0, game.output
        assert "There is no screen: playing by itself for 1 seconds." in game.output
        picture = pygame.image.load(str(tmp_path / f"{name}.png"))
        assert picture.get_width() >= 640 and picture.get_height() >= 480
        seen = {tuple(picture.get_at((x, y))) for x in range(0, 640, 5) for y in range(0, 480, 5)}
        assert len(seen) > 3, "there is something to see"


def test_nobody_answers_and_the_port_is_taken(run: Run, wire_name: str) -> None:
    server = run("pong.py", "--server-only", f"--host={LOCAL}", "--port=0", f"--adapter={wire_name}")
    port = server.wait_for(r"listens at 127.0.0.1 (\d+)")[1]
    taken = run("reversi.py", "--server-only", f"--host={LOCAL}", f"--port={port}", f"--adapter={wire_name}")
    assert taken.end() == 1
    assert port in taken.output.splitlines()[-1]
    stranger = run("reversi.py", "--bot", f"--join={LOCAL}", f"--port={port}", f"--adapter={wire_name}")
    assert stranger.end() == 1
    assert "SCHEMA_MISMATCH" in stranger.output.splitlines()[-1]
    server.interrupt()
    server.end()


def test_servers_and_bots_need_no_pygame(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pygame.py").write_text("raise ModuleNotFoundError('hidden by a test', name='pygame')")
    options = f"--host={LOCAL} --port=0 --adapter=socket --seconds=0.7".split()
    programs = [run(f"{name}.py", "--server-only", "--bots=2", *options, path=tmp_path) for name in SERVERS]
    programs += [run("lag_lab.py", "--bot", *options, path=tmp_path)]
    window = run("pong.py", *options, path=tmp_path)
    for program in programs:
        assert program.end() == 0, program.output
    assert window.end() == 1
    assert window.output == "the window needs pygame: pip install pygame-ce (or pygame)\n"
