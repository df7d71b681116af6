"""What init() shows of the log, and that the logging which a game sets up itself goes first. Each in a fresh Python."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from world import World

import pygnetic as net


def test_nothing_is_logged_for_each_message(memory_world: World, caplog: pytest.LogCaptureFixture) -> None:
    world = memory_world
    server = world.server()
    alice = world.join(server)
    with caplog.at_level(logging.INFO):
        for number in range(100):
            alice.net_echo(number)
            world.pump()
        world.until(lambda: len(server.made[0].messages) == 100)
    assert caplog.records == []


INIT = "net.init({}n_module='memory', s_module='json')\n"

LINES = ["TIME INFO     Using memory_adapter", "TIME INFO     Using json_adapter"]  # as the page of 2012 shows them

WARN = "logging.getLogger('pygnetic').warning('a warning')\n"


def log_of(program: str) -> list[str]:
    """Run a program; return what it wrote to stderr, with TIME for the time of day."""
    command = [sys.executable, "-c", "import logging, sys\nimport pygnetic as net\n" + program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(net.__file__).parent.parent)
    assert done.returncode == 0, done.stderr
    return re.sub(r"^\d\d:\d\d:\d\d ", "TIME ", done.stderr, flags=re.MULTILINE).splitlines()


def init(level: str = "") -> str:
    return INIT.format(f"logging_lvl={level}, " if level else "")


@pytest.mark.parametrize(
    ("level", "said"),
    [("", LINES), ("logging.DEBUG", LINES), ("logging.INFO", LINES), ("logging.WARNING", []), ("None", [])],
)
def test_init_shows_what_the_library_logs(level: str, said: list[str]) -> None:
    assert log_of(init(level)) == said


def test_init_twice_shows_each_line_once() -> None:
    assert log_of(init() + init()) == LINES * 2
    assert log_of(init() + init("logging.WARNING") + WARN) == [*LINES, "TIME WARNING  a warning"]
    assert log_of(init("logging.WARNING") + init()) == LINES


@pytest.mark.parametrize(
    "setup",
    [
        "logging.basicConfig(level=logging.DEBUG, format='game: %(message)s')\n",
        "import logging.config\nlogging.config.dictConfig({'version': 1, 'disable_existing_loggers': False, "
        "'formatters': {'game': {'format': 'game: %(message)s'}}, 'root': {'level': 'DEBUG', 'handlers': ['game']}, "
        "'handlers': {'game': {'class': 'logging.StreamHandler', 'formatter': 'game'}}})\n",
    ],
    ids=["basicConfig", "dictConfig"],
)
@pytest.mark.parametrize("level", ["", "None", "logging.CRITICAL"])
def test_logging_that_a_game_sets_up_afterwards(setup: str, level: str) -> None:
    begin = init(level) + setup
    later = "logging.getLogger('game').debug('mine')\n" + init("None")
    expected = ["game: mine", "game: Using memory_adapter", "game: Using json_adapter"]
    assert log_of(begin + later)[-3:] == expected
    assert len(log_of(begin + later)) == len(expected) + (len(LINES) if level == "" else 0), "no line twice"


def test_logging_that_a_game_sets_up_before() -> None:
    setup = "logging.basicConfig(level=logging.WARNING, format='game: %(message)s')\n"
    assert log_of(setup + init() + WARN) == ["game: a warning"]


def test_the_level_that_a_game_sets_up_holds_for_the_library() -> None:
    quiet = "logging.basicConfig(level=logging.WARNING, format='game: %(message)s')\n"
    assert log_of(init() + quiet + init("None") + WARN) == [*LINES, "game: a warning"]
    own = quiet + "logging.getLogger('pygnetic').setLevel(logging.INFO)\n"
    assert log_of(init("logging.ERROR") + own + init("None")) == [f"game: {line[14:]}" for line in LINES]
    silent = "logging.getLogger('pygnetic').setLevel(logging.ERROR)\n"
    assert log_of(init() + silent + WARN) == LINES


def test_a_log_file_of_a_game() -> None:
    """A handler on our own logger gets what is shown, and does not hide it."""
    own = "h = logging.StreamHandler()\nh.setFormatter(logging.Formatter('file: %(message)s'))\n"
    own += "logging.getLogger('pygnetic').addHandler(h)\nlogging.getLogger('pygnetic').debug('hidden')\n"
    assert log_of(init() + own + WARN) == [*LINES, "TIME WARNING  a warning", "file: a warning"]


def test_a_program_without_stderr() -> None:
    """As pythonw and windowed bundles are."""
    assert log_of("sys.stderr = None\n" + init() + WARN) == []


def test_init_leaves_the_root_logger_alone() -> None:
    program = init() + "assert logging.root.handlers == [] and logging.root.level == logging.WARNING\n"
    assert log_of(program) == LINES


def test_a_test_of_a_game_sees_the_log(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.INFO, "pygnetic"):
        net.init(n_module="memory", s_module="json")
    assert caplog.messages == ["Using memory_adapter", "Using json_adapter"]
    assert capsys.readouterr().err == "", "pytest shows it"
