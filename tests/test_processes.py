"""Two real processes talk over the operating system's network."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from world import HOST, Recorder, World

from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits

PROGRAM = Path(__file__).with_name("peer_program.py")
Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run() -> Iterator[Run]:
    """Return a function that starts peer_program.py with some arguments."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", str(PROGRAM), *map(str, arguments)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def port_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout
    return int(process.stdout.readline())


def messages(world: World) -> Any:
    return world.factory(update_remoteobject=("type_id", "obj_id", "variables"), say=("number", "text"),
                         said=("number", "text"))  # fmt: skip


def test_two_processes_talk(wire_name: str, run: Run) -> None:
    server = run("serve", wire_name)
    client = run("play", wire_name, port_of(server))
    client_says, client_errors = client.communicate(timeout=30)
    server_says, server_errors = server.communicate(timeout=30)
    assert (client.returncode, client_errors) == (0, "")
    assert (server.returncode, server_errors) == (0, "")
    assert client_says == server_says == "CLOSED: that was all\n"


def test_a_server_that_closes_and_ends_has_said_everything(wire_world: World, run: Run) -> None:
    server = run("talk_and_close", wire_world.network)
    alice = wire_world.connect((HOST, port_of(server)), message_factory=messages(wire_world))
    wire_world.until(lambda: alice.handler.ended)
    assert [message.number for message in alice.handler.messages] == list(range(100))
    assert alice.reason == (DisconnectReason.KICKED, "the server was closed")
    said, errors = server.communicate(timeout=30)
    assert (server.returncode, said, errors) == (0, "CLOSED\n", "")


def test_a_server_that_is_killed(wire_world: World, run: Run) -> None:
    server = run("serve", wire_world.network)
    client = wire_world.client(limits=Limits(idle_time=1.5), message_factory=messages(wire_world))
    alice = wire_world.connect((HOST, port_of(server)), client=client)
    alice.net_say(1, "hello")
    wire_world.until(lambda: alice.handler.messages)
    server.kill()
    wire_world.until(lambda: alice.handler.ended)
    assert alice.handler.ended == 1
    assert alice.reason.code in (DisconnectReason.LOST, DisconnectReason.TIMEOUT)


def test_a_client_that_ends_without_a_word(wire_world: World, run: Run) -> None:
    class Echo(Recorder):
        def net_say(self, message: Any) -> None:
            self.connection.net_said(*message)

    server = wire_world.server(handler=Echo, message_factory=messages(wire_world), limits=Limits(idle_time=1.5))
    client = run("vanish", wire_world.network, server.address[1])
    wire_world.until(lambda: server.connections())
    (there,) = server.connections()
    wire_world.until(lambda: server.made[0].ended)
    assert there.reason.code in (DisconnectReason.LOST, DisconnectReason.TIMEOUT)
    said, errors = client.communicate(timeout=30)
    assert (client.returncode, said, errors) == (0, "", "")
