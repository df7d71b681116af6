"""Every example is started for real, as a reader starts it: its own process, on 127.0.0.1."""

from __future__ import annotations

import ast
import json
import re
import runpy
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from programs import EXAMPLES, LOCAL, PATIENCE, Program, free_port

import pygnetic as net

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are not here")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_each_says_what_it_shows_and_has_a_main(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert len(ast.get_docstring(tree) or "") > 50
    if path.name not in ("__init__.py", "stage.py"):  # these are no programs
        assert "main" in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250


def test_echo(run: Callable[..., Program], wire_name: str) -> None:
    server = run("echo_server.py", LOCAL, 0, wire_name)
    port = server.wait_for(r"listening on port (\d+)")[1]
    client = run("echo_client.py", LOCAL, port, wire_name)
    assert client.end() == 0
    assert re.findall("received: '(.*)'", client.output) == ["Hello!", "Is anybody there?", "Goodbye."]
    assert client.output.endswith("disconnected: CLOSED\n")
    server.wait_for("disconnected: CLOSED")
    server.interrupt()
    server.end()


# Someone who chats: types an answer to certain lines, and quits after others. It runs the real client's main().
CHATTER = """
import json, sys
import pygame, chat_client

answers = json.loads(sys.argv[1])

class Typist(chat_client.ChatWindow):
    def add(self, player, msg):
        super().add(player, msg)
        print(player + ": " + msg, flush=True)
        if msg in answers:
            pygame.event.post(pygame.event.Event(pygame.TEXTINPUT, text=answers[msg]))
            key = pygame.K_RETURN if answers[msg] else pygame.K_ESCAPE
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))

chat_client.ChatWindow = Typist
chat_client.main(*sys.argv[2:])
"""


def test_chat(run: Callable[..., Program], wire_name: str) -> None:
    pytest.importorskip("pygame")
    server = run("chat_server.py", LOCAL, 0, wire_name)
    port = server.wait_for(r"listening on port (\d+)")[1]

    def chatter(name: str, answers: dict[str, str]) -> Program:
        return run("-c", CHATTER, json.dumps(answers), name, LOCAL, port, wire_name)

    long = "hello " * 20 + "Ann"  # does not fit into one line of the window
    tom = chatter("Tom", {"Ann came in": long, "hi, Tom": ""})
    server.wait_for("Tom came in")
    ann = chatter("Ann", {long: "hi, Tom", "Tom left": ""})
    assert tom.end() == 0
    assert ann.end() == 0
    assert "Tom: hello hello" in ann.output and "Ann: hi, Tom" in tom.output
    assert ": Tom came in" in ann.output, "who comes later reads what was said before"
    server.wait_for("Ann left")
    server.interrupt()
    server.end()


@pytest.mark.parametrize("name", ["chat_server.py", "arena.py"])
def test_nonsense_does_not_stop_a_server(run: Callable[..., Program], wire_name: str, name: str) -> None:
    if name == "arena.py":
        server = run(name, "--server-only", f"--host={LOCAL}", "--port=0", f"--adapter={wire_name}")
    else:
        server = run(name, LOCAL, 0, wire_name)
    port = int(server.wait_for(r"(\d+)$")[1])
    runpy.run_path(str(EXAMPLES / name))  # registers its messages
    say = ("say", "steer") if name == "arena.py" else ("say",)
    nonsense: list[Any] = [[[]], {"a": 1}, None, -(2**63), 1e300, "\0\x1b[2J", "x" * 500]
    if net.message.message_factory.s_adapter.wire_name == "msgpack":  # JSON has none of these
        nonsense += [b"\xff", float("nan"), float("inf")]
    for value in nonsense:
        handler = Recorder()
        with net.Client(n_adapter=wire_name) as client:
            connection = client.connect(LOCAL, port)
            connection.add_handler(handler)
            pump(client, lambda c=connection: c.connected or c.reason)
            connection.send("join", value)
            for message in say:
                fields = net.message.message_factory.get_by_name(message)._fields
                connection.send(message, *[value] * len(fields))
            connection.send("say", "all well?")
            pump(client, lambda h=handler, c=connection: "all well?" in h.texts or c.reason)
            assert "all well?" in handler.texts or connection.reason.text == "that message made no sense"
    assert server.process.poll() is None
    server.interrupt()
    assert server.process.wait(PATIENCE) == 0 or sys.platform == "win32"
    if name == "arena.py":  # it may be the reader's own bug: the traceback says where
        server.wait_for("Traceback")
        server.wait_for("in net_")
        server.wait_for("is it a bug of yours?")


class Recorder(net.Handler):
    def __init__(self) -> None:
        self.texts: list[Any] = []

    def on_receive(self, message: Any) -> None:
        self.texts += message


def pump(client: net.Client, until: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < deadline
        client.update(20)


def coins(output: str) -> dict[str, int]:
    return {name: int(number) for name, number in re.findall(r"^  (\w+) +(\d+) coins, round trip +\d", output, re.M)}


def test_arena_without_a_screen(run: Callable[..., Program], wire_name: str, tmp_path: Path) -> None:
    pygame = pytest.importorskip("pygame")
    picture = tmp_path / "arena.png"
    for seconds in (2, 10):  # on a busy machine the bots take two seconds to start
        arguments = f"--host={LOCAL} --port=0 --bots=2 --seconds={seconds} --adapter={wire_name} --screenshot={picture}"
        arena = run("arena.py", *arguments.split())
        assert arena.end() == 0, arena.output
        assert f"There is no screen: playing by itself for {seconds} seconds." in arena.output
        found = coins(arena.output)
        if found.get("Ada", 0) + found.get("Blaise", 0):
            break
    assert "3 players" in arena.output
    assert sorted(found) == ["Ada", "Blaise", "you"]
    assert found["Ada"] + found["Blaise"] > 0, "bots really collect coins"
    traffic = r"\d+ messages, \d+ bytes"
    assert re.search(f"sent {traffic}; received {traffic}; round trip [0-9.]+ ms", arena.output)
    assert pygame.image.load(str(picture)).get_size() == (940, 620)


@pytest.mark.parametrize("how", ["interrupt", "kill"])
def test_no_process_stays(run: Callable[..., Program], wire_name: str, how: str) -> None:
    """Ctrl-C, and the worse: whoever started the server and the bots is killed. In both cases all end."""
    pytest.importorskip("pygame")
    port = free_port()
    options = f"--host={LOCAL} --port={port} --bots=2 --adapter={wire_name}"
    arena = run("arena.py", *options.split(), "--seconds=600")
    arena.wait_for("playing by itself")
    watcher = runpy.run_path(str(EXAMPLES / "arena.py"))["Bot"]("watcher")
    with net.Client(n_adapter=wire_name) as client:
        connection = client.connect(LOCAL, port)
        connection.add_handler(watcher)
        pump(client, lambda: {"Ada", "Blaise"} <= {name for _, name, *_ in watcher.rows})
        assert len(watcher.lines) > 0
        if how == "interrupt":
            arena.interrupt()
            assert arena.end() == 0 or sys.platform == "win32"
        else:
            arena.process.kill()
            arena.end()
        pump(client, lambda: not connection.connected)
        assert connection.reason and connection.reason.text == "the server was closed"


def test_arena_with_a_server_of_its_own_and_one_who_joins(run: Callable[..., Program], wire_name: str) -> None:
    pytest.importorskip("pygame")
    options = f"--adapter={wire_name} --bots=1"
    server = run("arena.py", "--server-only", f"--host={LOCAL}", "--port=0", *options.split())
    port = server.wait_for(r"listens at 127.0.0.1 (\d+)")[1]

    taken = run("arena.py", f"--host={LOCAL}", f"--port={port}", *options.split())
    assert taken.end() == 1
    assert port in taken.output.splitlines()[-1], "one sentence that names the address"

    guest = run("arena.py", f"--join={LOCAL}", f"--port={port}", "--name=Guest", "--seconds=1", *options.split())
    assert guest.end() == 0
    assert "3 players" in guest.output
    server.interrupt()
    assert server.end() == 0 or sys.platform == "win32"


@pytest.mark.parametrize("server_only", [False, True], ids=["window", "server"])
@pytest.mark.parametrize("demo", [False, True], ids=["arena.py", "demo"])
def test_arena_says_how_friends_join(run: Callable[..., Program], server_only: bool, demo: bool) -> None:
    """The command that it prints, run as it stands, joins."""
    pytest.importorskip("pygame")
    options = ["--port=0", "--bots=0", "--seconds=600", "--adapter=socket"] + ["--server-only"] * server_only
    command = ["-m", "pygnetic", "demo"] if demo else ["arena.py"]
    arena = run(*command, *options)
    told = arena.wait_for(r"^Friends in your network join with: python (\S.*)$")[1]
    own = r"(\d+\.\d+\.\d+\.\d+) --port (\d+) --adapter socket"
    begin = "-m pygnetic demo" if demo else "examples/arena.py"
    match = re.fullmatch(rf"{re.escape(begin)} --join {own}", told)
    assert match and int(match[2]) > 0
    arguments = f"--join {LOCAL} --port {match[2]} --adapter socket --seconds=1 --name=Guest"  # not over a network
    guest = run(*command, *arguments.split())
    assert guest.end() == 0
    assert "Guest" in guest.output
    assert "join with" not in guest.output


def test_arena_says_how_to_join_where_only_one_address_is_heard(run: Callable[..., Program]) -> None:
    arena = run("arena.py", "--server-only", f"--host={LOCAL}", f"--port={free_port()}", "--seconds=600")
    told = arena.wait_for("join with: (.*)$")[0]
    assert re.fullmatch(rf"join with: python examples/arena.py --join {LOCAL} --port \d+", told)
    assert "Others join with" in arena.output


def test_arena_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    own_address = runpy.run_path(str(EXAMPLES / "arena_processes.py"))["own_address"]

    class NoNetwork(socket.socket):
        def connect(self, address: Any) -> None:
            raise OSError("Network is unreachable")

    monkeypatch.setattr(socket, "socket", NoNetwork)
    assert own_address() == LOCAL


def test_arena_when_nobody_answers(run: Callable[..., Program], wire_name: str) -> None:
    pytest.importorskip("pygame")
    options = f"--join={LOCAL} --port={free_port()} --bots=1 --seconds=1 --adapter={wire_name}"
    arena = run("arena.py", *options.split())
    assert arena.end() == 1
    assert "answer" in arena.output.splitlines()[-1]


def test_arena_without_pygame(run: Callable[..., Program], tmp_path: Path) -> None:
    (tmp_path / "pygame.py").write_text("raise ModuleNotFoundError('hidden by a test', name='pygame')")
    options = f"--host={LOCAL} --port=0 --adapter=socket --seconds=1.5".split()
    server = run("arena.py", "--server-only", "--bots=1", *options, path=tmp_path)
    assert server.end() == 0
    assert "Ada" in server.output, "server and bots need no pygame"
    window = run("arena.py", *options, path=tmp_path)
    assert window.end() == 1
    assert window.output == "events need pygame: pip install pygame-ce (or pygame)\n"
