"""The games: bots play them to the end, somebody is killed in the middle, and strangers send nonsense."""

from __future__ import annotations

import contextlib
import itertools
import runpy
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from programs import EXAMPLES, LOCAL, Program
from relays import pump_until

import pygnetic as net

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are not here")

SERVERS = {"pong": "PongServer", "whiteboard": "BoardServer", "reversi": "ReversiServer", "lag_lab": "LabServer"}
NAMES = ["Ada", "Blaise", "Clara", "Dennis"]
Run = Callable[..., Program]


class Table:
    """A game's server and its bots in this process; its time passes as fast as they can play."""

    def __init__(self, name: str, adapter: str) -> None:
        self.name, self.adapter = name, adapter
        self.game: dict[str, Any] = runpy.run_path(str(EXAMPLES / f"{name}.py"))
        self.server = self.game[SERVERS[name]](LOCAL, 0, conn_limit=16, n_adapter=adapter)
        self.clients: list[net.Client] = []
        self.players: list[Any] = []
        self.relays: list[Any] = []
        self.open = True

    def join(self, name: str, *args: Any, bot: bool = True, **options: Any) -> Any:
        """Return a player who has sat down."""
        seen = self.seen()
        client = self.game["stage"].Client(n_adapter=self.adapter)
        player = self.game["Player"](name, *self.relay(), *args, **options)
        player.connect(client, self.relays[-1].address if self.relays else self.server.address)
        self.clients.append(client)
        player.bot = bot
        self.players.append(player)
        self.until(lambda: player.link.connected and self.seen() > seen)
        return player

    def keep_seats(self) -> None:
        """Let reversi wait for who left: our 30 s pass in a moment, and the clients' second does not."""
        self.game["Guest"].on_disconnect.__globals__["PATIENCE"] = 10**6

    def seen(self) -> int:
        """Return the highest id of those that the server knows: each newcomer has a higher one."""
        return max((connection.id for connection in self.server.connections()), default=0)

    def relay(self) -> list[Any]:
        if self.name != "lag_lab":
            return []
        kind = "UdpRelay" if self.adapter == "enet" else "TcpRelay"
        self.relays.append(getattr(self.game["bad_network"], kind)(self.server.address))
        return self.relays[-1:]

    def leave(self, player: Any) -> None:
        """Let a player leave in good order."""
        number = self.players.index(player)
        del self.players[number]
        self.clients.pop(number).close()

    def victim(self, run: Run) -> Program:
        """Start a bot in a process of its own, and wait until it sits here."""
        before = self.server.handlers()
        arguments = f"--join={LOCAL} --port={self.server.address[1]} --bot --name=Victim --adapter={self.adapter}"
        program = run(f"{self.name}.py", *arguments.split())
        # welcomed, and it has said its name where the game has names
        self.until(lambda: [h for h in self.server.handlers() if h not in before and getattr(h, "name", "Victim")])
        return program

    def pump(self) -> None:
        for part in (*self.clients, *self.relays):
            part.update()
        if self.open:
            self.server.update()
            self.server.tick()
        for player in self.players:
            player.update()
            if player.bot:
                player.play()

    def until(self, condition: Callable[[], Any]) -> Any:
        return pump_until(condition, lambda: self.pump() or True, timeout=30)

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.server.close()
        for relay in self.relays:
            relay.__exit__()


@pytest.fixture
def sit_down(wire_name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Table]]:
    """Return a function that opens a game on each adapter."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    tables: list[Table] = []

    def start(name: str) -> Table:
        tables.append(Table(name, wire_name))
        return tables[-1]

    yield start
    for table in tables:
        table.close()


def kill(program: Program) -> None:
    program.process.kill()
    program.process.wait()


def told(player: Any) -> list[str]:
    """Return a list that gets each text which the player is told from now on: the next one may come at once."""
    texts: list[str] = []

    class Notes(net.Handler):
        def on_receive(self, message: Any) -> None:
            texts.extend([message.text] if hasattr(message, "text") else [])

    player.link.add_handler(Notes())
    return texts


# -- to the end


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


def test_reversi_to_the_end(sit_down: Callable[[str], Table]) -> None:
    table = sit_down("reversi")
    ada, blaise, clara = (table.join(name) for name in NAMES[:3])
    texts = told(clara)
    table.until(lambda: table.server.games and clara.turn == 0)
    assert clara.squares == ada.squares == blaise.squares == table.server.squares
    black, white = clara.squares.count(1), clara.squares.count(2)
    assert clara.text == (f"{'Ada' if black > white else 'Blaise'} wins {max(black, white)}:{min(black, white)}" if
                          black != white else "a draw")  # fmt: skip
    assert (ada.side, blaise.side, clara.side, clara.watching) == (1, 2, 0, 1)
    assert ada.done and blaise.done and not clara.done
    table.until(lambda: "a new game" in texts)
    table.until(lambda: texts[-1] == "")  # it said so, and the game went on


def test_lag_lab_to_the_end(sit_down: Callable[[str], Table], capsys: pytest.CaptureFixture[str]) -> None:
    table = sit_down("lag_lab")
    ada = table.join("Ada", seconds=0.2)
    table.until(lambda: ada.done)
    assert [row[:3] for row in ada.measured] == table.game["TOUR"]
    assert capsys.readouterr().out.count("interpolated") == len(ada.measured)
    assert (table.relays[0].delay, table.relays[0].loss) == (0.08, 0.1)


# -- a player is killed


def test_pong_goes_on_when_a_player_is_killed(sit_down: Callable[[str], Table], run: Run) -> None:
    table = sit_down("pong")
    victim = table.victim(run)
    ada, blaise = table.join("Ada"), table.join("Blaise")
    table.until(lambda: ada.side == 1 and sum(ada.points) > 0)
    assert ada.names == ["Victim", "Ada"]
    kill(victim)
    # over UDP nobody knows that it is dead yet; its paddle stands still, and it loses
    table.until(lambda: blaise.text.startswith(("Ada beats Blaise", "Blaise beats Ada")))


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


def test_reversi_goes_on_when_a_player_is_killed(sit_down: Callable[[str], Table], run: Run) -> None:
    table = sit_down("reversi")
    victim = table.victim(run)
    key = table.until(lambda: table.server.chairs[0].key)
    ada, watcher = table.join("Ada"), table.join("Blaise")
    texts = told(watcher)
    table.until(lambda: watcher.squares.count(0) < 56)
    kill(victim)
    position = list(table.server.squares)
    assert victim.wait_for("--key ([0-9a-f]+)")[1] == key, "it was told"
    # it comes back before the server knows (UDP), or after (TCP); the game waited
    back = table.join("Victim", key)
    table.until(lambda: "Victim is back" in texts and back.side == 1)
    assert table.server.squares.count(0) >= position.count(0) - 4
    table.until(lambda: table.server.games)
    assert watcher.names == ["Victim", "Ada"] and watcher.side == 0 and ada.side == 2


def test_reversi_gives_the_seat_away_when_nobody_comes_back(sit_down: Callable[[str], Table]) -> None:
    table = sit_down("reversi")
    ada, _, clara = (table.join(name) for name in NAMES[:3])
    table.until(lambda: clara.squares.count(0) < 56)
    texts, key = told(clara), ada.key
    table.leave(ada)
    table.until(lambda: "Ada left; the seat is kept for 30 s" in texts)
    assert clara.away == [True, False]
    table.until(lambda: clara.side == 1)
    assert clara.names == ["Clara", "Blaise"]
    late = table.join("Ada", key, bot=False)
    late.side = 1  # as it was before its connection broke
    table.until(lambda: "Ada joined" in texts and late.names[0])
    assert (late.side, late.key) == (0, ""), "it is told that it has no seat any more"
    assert not late.can_move()
    table.until(lambda: table.server.games)


def test_reversi_tells_what_happened_until_the_next_move(sit_down: Callable[[str], Table]) -> None:
    table = sit_down("reversi")
    ada, blaise = table.join("Ada", bot=False), table.join("Blaise", bot=False)
    table.until(lambda: ada.text == "Blaise joined" and ada.can_move())
    ada.link.net_move(19)
    table.until(lambda: blaise.can_move())
    assert blaise.text == ""
    clara = table.join("Clara", bot=False)
    table.until(lambda: blaise.text == "Clara joined" == clara.text)


def test_reversi_player_whose_connection_broke_comes_back(sit_down: Callable[[str], Table], wire_name: str) -> None:
    table = sit_down("reversi")
    table.keep_seats()
    ada, blaise = table.join("Ada"), table.join("Blaise")
    table.until(lambda: blaise.squares.count(0) < 56)
    first, key = ada.link, ada.key
    first._peer.abort()  # as if its cable was pulled out for a moment
    texts = told(blaise)
    table.until(lambda: ada.link is not first and "Ada is back" in texts)
    assert (ada.key, ada.side) == (key, 1)
    table.until(lambda: table.server.games)
    assert blaise.names == ["Ada", "Blaise"]


def test_reversi_does_not_hammer_at_a_server_that_breaks_each_connection(
    sit_down: Callable[[str], Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = sit_down("reversi")
    ada = table.join("Ada", bot=False)
    attempts: list[float] = []
    connect = ada.connect
    monkeypatch.setattr(ada, "connect", lambda *args: attempts.append(time.monotonic()) or connect(*args))
    for number in range(2):  # each time it had been welcome
        table.until(lambda: ada.key and ada.link.messages_received)
        broke, old = time.monotonic(), ada.link
        old._peer.abort()
        table.until(lambda o=old: ada.link is not o)
        assert len(attempts) == number + 1
        assert attempts[-1] - broke >= 1
    table.until(lambda: ada.link.connected)


def test_a_reversi_bot_does_not_go_home_before_it_has_tried_again(
    sit_down: Callable[[str], Table], run: Run, wire_name: str
) -> None:
    if wire_name == "enet":
        pytest.skip("over UDP it takes 10 s until the bot knows")
    table = sit_down("reversi")
    table.keep_seats()
    ada = table.join("Ada", bot=False)
    texts, program = told(ada), table.victim(run)
    table.until(lambda: table.server.chairs[1].guest)
    [link] = [c for c in table.server.connections() if c.id == table.seen()]
    link._peer.abort()
    table.until(lambda: "Victim is back" in texts)
    assert program.process.poll() is None


def test_reversi_gives_up_where_it_was_never_welcome(sit_down: Callable[[str], Table]) -> None:
    table = sit_down("reversi")
    with socket.create_server((LOCAL, 0)) as listener:
        listener.setblocking(False)
        player, accepted = table.game["Player"]("Ada"), 0
        with table.game["stage"].Client(n_adapter="socket") as client:
            player.connect(client, listener.getsockname())
            patience = time.monotonic() + 1.5
            while time.monotonic() < patience:
                client.update(10)
                player.update()
                with contextlib.suppress(BlockingIOError):
                    listener.accept()[0].close()
                    accepted += 1
    assert player.link.reason
    assert accepted == 1


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


def test_lag_lab_goes_on_when_a_player_is_killed(sit_down: Callable[[str], Table], run: Run) -> None:
    table = sit_down("lag_lab")
    victim = table.victim(run)
    ada = table.join("Ada", bot=False)
    table.until(lambda: len(ada.told) > 5)
    kill(victim)
    ada.told.clear()
    table.until(lambda: len(ada.told) > 20)


# -- the rules


def test_reversi_rules(sit_down: Callable[[str], Table]) -> None:
    game = sit_down("reversi").game
    squares = [0] * 64
    squares[27] = squares[36] = 2
    squares[28] = squares[35] = 1
    assert game["moves"](squares, 1) == [19, 26, 37, 44]
    assert game["flips"](squares, 19, 1) == [27]
    assert game["flips"](squares, 28, 1) == game["flips"](squares, 0, 1) == []
    row = [0, 2, 2, 2, 2, 2, 2, 1] + [1] + [0] * 55
    assert game["flips"](row, 0, 1) == [1, 2, 3, 4, 5, 6]
    wrapped = [0] * 6 + [0, 2] + [1] + [0] * 55  # the next row does not go on where this one ends
    assert game["flips"](wrapped, 6, 1) == []


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


def test_the_relay_rests_when_those_it_stood_between_are_gone() -> None:
    relay_class = runpy.run_path(str(EXAMPLES / "bad_network.py"))["TcpRelay"]
    with socket.create_server((LOCAL, 0)) as listener, relay_class(listener.getsockname()) as relay:
        for _ in range(3):
            client = socket.create_connection(relay.address)
            pump_until(lambda: len(relay.sockets) == 3, lambda: relay.update(1))
            there, _ = listener.accept()
            with there, client:
                client.sendall(b"hello")
                client.shutdown(socket.SHUT_WR)
                pump_until(lambda: len(relay.pipes) == 1, lambda: relay.update(1))
                assert there.recv(9) == b"hello"
                there.sendall(b"you, too")
                there.shutdown(socket.SHUT_WR)
                pump_until(lambda: not relay.pipes, lambda: relay.update(1))
                assert client.recv(9) == b"you, too"
        assert relay.sockets == [relay.socket]


def test_the_udp_relay_can_reach_other_machines(run: Run) -> None:
    relay_class = runpy.run_path(str(EXAMPLES / "bad_network.py"))["UdpRelay"]
    with socket.socket(type=socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        server.bind((LOCAL, 0))
        with relay_class(("localhost", server.getsockname()[1])) as relay:
            client.sendto(b"hello", relay.address)
            pump_until(lambda: relay.flows and not relay.waiting, lambda: relay.update(1))
            [flow] = relay.flows.values()
            assert flow.getsockname()[0] == "0.0.0.0", "who is bound to 127.0.0.1 cannot send to another machine"
    stranger = run("bad_network.py", "no.such.host.invalid", 10000)
    assert stranger.end() == 1
    assert len(stranger.output.splitlines()) == 1, "a sentence"


def test_the_relays_reach_a_server_that_has_ipv6(run: Run) -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("this machine has no IPv6")
    lab = run("lag_lab.py", "--bot", "--host=::1", "--port=0", "--adapter=socket", "--seconds=60")
    lab.wait_for("60 a second.*interpolated")
    relay_class = runpy.run_path(str(EXAMPLES / "bad_network.py"))["UdpRelay"]
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        server.bind(("::1", 0))
        server.setblocking(False)
        client.setblocking(False)

        def received(one: socket.socket) -> Any:
            try:
                return one.recvfrom(9)
            except BlockingIOError:
                return None

        with relay_class(server.getsockname()[:2]) as relay:
            client.sendto(b"hello", relay.address)
            data, address = pump_until(lambda: received(server), lambda: relay.update(1))
            server.sendto(data, address)
            data, _ = pump_until(lambda: received(client), lambda: relay.update(1))
            assert data == b"hello"


# -- the windows, by hand


class Hands:
    """Presses keys and moves the mouse of a window."""

    def __init__(self, pygame: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pygame, self.held, self.mouse, self.button = pygame, set(), (0, 0), False  # type: ignore[var-annotated]
        monkeypatch.setattr(pygame.key, "get_pressed", lambda: self)
        monkeypatch.setattr(pygame.mouse, "get_pos", lambda: self.mouse)
        monkeypatch.setattr(pygame.mouse, "get_pressed", lambda: (self.button, False, False))

        self.read: list[str] = []  # what the window has written in its last frame

    def watch(self, window: Any) -> None:
        """From now on, note what the window writes."""
        update, write, written = window.update, window.write, []  # type: ignore[var-annotated]

        def noting(text: str, *args: Any, **kwargs: Any) -> Any:
            written.append(text)
            return write(text, *args, **kwargs)

        def frame() -> None:
            written.clear()
            update()
            self.read = written[:]

        window.write, window.update = noting, frame

    def __getitem__(self, key: int) -> bool:
        return key in self.held

    def click(self, x: int, y: int) -> None:
        """Press and let go, so fast that no frame sees the button down."""
        for kind in (self.pygame.MOUSEBUTTONDOWN, self.pygame.MOUSEBUTTONUP):
            self.pygame.event.post(self.pygame.event.Event(kind, pos=(x, y), button=1))

    def press(self, key: int, text: str = "") -> None:
        self.pygame.event.post(self.pygame.event.Event(self.pygame.KEYDOWN, key=key, unicode=text))


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hands]:
    """Return somebody who sits at a window that nobody sees."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame = pytest.importorskip("pygame")
    yield Hands(pygame, monkeypatch)
    pygame.display.quit()
    pygame.font.quit()


def open_window(table: Table, player: Any, hands: Hands | None = None) -> Any:
    """Return a window of a player; each round of the table is a frame of it."""
    [kind] = [thing for name, thing in table.game.items() if name.endswith("Window")]
    window = kind(player, False)
    if hands:
        hands.watch(window)
    table.clients.append(type("Frames", (), {"update": window.update, "close": lambda: None}))
    return window


@pytest.mark.parametrize("name", SERVERS)
def test_every_window_has_the_net_graph_and_an_end(
    sit_down: Callable[[str], Table], hands: Hands, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    table = sit_down(name)
    window = open_window(table, table.join("Ada", bot=False))
    drawn: list[Any] = []
    monkeypatch.setattr(window.graph, "draw", lambda *args: drawn.append(args))

    def graphs() -> int:
        """Return how many net graphs the next frame shows."""
        drawn.clear()
        window.update()
        return len(drawn)

    always = name == "lag_lab"  # underneath; a second one above the squares helps nobody
    assert graphs() == always
    hands.press(hands.pygame.K_F3)
    assert graphs() == 1
    hands.press(hands.pygame.K_F3)
    assert graphs() == always
    hands.press(hands.pygame.K_ESCAPE)
    table.until(lambda: not window.running)


@pytest.mark.parametrize("name", SERVERS)
def test_every_window_says_that_there_is_no_connection(
    sit_down: Callable[[str], Table], hands: Hands, name: str
) -> None:
    table = sit_down(name)
    client = table.game["stage"].Client(n_adapter=table.adapter)
    player = table.game["Player"]("Ada", *table.relay())
    player.connect(client, (table.relays[-1] if table.relays else table.server).address)
    window = open_window(table, player, hands)
    window.update()
    assert "connecting ..." in hands.read
    table.clients.append(client)
    table.until(lambda: hands.read and "connecting ..." not in hands.read)
    assert player.link.connected
    table.server.close()
    table.open = False
    table.until(lambda: player.link.reason)
    window.update()
    assert str(player.link.reason) in hands.read
    middle = tuple(window.screen.get_at((5, window.size[1] // 2)))
    assert middle == hands.pygame.Color(table.game["stage"].LINE)


SENSIBLE: dict[str, dict[str, list[Any]]] = {  # what a server says
    "pong": {"you": [0], "match": [["Ada", "Blaise"], [1, 2], ["Clara"], "hi"], "state": [1, 2, [3, 4], [5, 6]]},
    "whiteboard": {
        "you": [1],
        "strokes": [[[1, 2, 3, [[4, 5]]]]],
        "people": [[[1, "Ada"], [2, "Blaise"]]],
        "pens": [[[2, 3, 4, 5]]],
    },
    "reversi": {"seat": [1, "key"], "board": [[0] * 64, 1, -1, ["Ada", "Blaise"], [False, False], 0, "hi"]},
    "lag_lab": {"places": [1000, [[1, 2], [3, 4], [5, 6]]]},
}
NONSENSE: list[Any] = [
    *(None, -(2**63), 2**63, 1e300, "", "\0\x1b[2J", "x" * 300, {"a": 1}, [], [[]], [[1]], [[1, 2]], [1, 2], [1, 2, 3]),
    *([["a", "b"]], [[1, [], 2, 3]], [[1, 2, 3, []]], [{}, {}], [None] * 3, ["\0", "\0\n"], [[2, "\0\n"]]),
    *([[1, 9, -9, [[1, 2]]]], [[1, 2, 3, [["a", 2]]]], [[-(2**62), 1, 2, 99]], [1e300, -1e300], [[1e300, -1e300]] * 3),
    *([1] * 65, [9] * 64, [-1] * 64, ["a"] * 64),
]


@pytest.mark.parametrize("name", SERVERS)
def test_nonsense_does_not_stop_a_window(
    sit_down: Callable[[str], Table], hands: Hands, name: str, wire_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = sit_down(name)
    client = table.game["stage"].Client(n_adapter=wire_name)
    table.clients.append(client)
    relay = [SimpleNamespace(delay=0, loss=0)] if name == "lag_lab" else []
    player = table.game["Player"]("Ada", *relay)
    factory = net.message.message_factory
    with net.Server(LOCAL, 0, n_adapter=wire_name, handler=net.Handler) as server:

        def connect() -> None:
            player.connect(client, server.address)
            table.until(lambda: server.update() or player.link.connected)

        def say(kind: str, fields: list[Any]) -> None:
            """Let the server say it, and the player hear it; the window shows what comes of it."""
            before, tries = player.link.messages_received, itertools.count()

            def heard() -> bool:
                if next(tries) % 500 == 0:  # and again, since some of it is sent unreliably
                    server.connections()[-1].send(factory.get_by_name(kind), *fields)
                server.update()
                return player.link.reason or player.link.messages_received > before

            table.until(heard)
            player.play()
            window.update()

        connect()
        window = open_window(table, player, hands)
        table.clients.pop()
        left = 0
        for kind, sensible in SENSIBLE[name].items():
            for number in range(len(sensible)):
                for value in NONSENSE:
                    say(kind, [*sensible[:number], value, *sensible[number + 1 :]])
                    if player.link.reason:
                        assert "CLOSED: that message made no sense" in hands.read
                        left += 1
                        connect()
                say(kind, sensible)
                assert player.link.connected
    assert left >= len(NONSENSE) / 2
    assert "Traceback" in capsys.readouterr().err


def test_the_net_graph_is_of_the_connection_in_use(sit_down: Callable[[str], Table], hands: Hands) -> None:
    table = sit_down("reversi")
    ada = table.join("Ada", bot=False)
    window = open_window(table, ada)
    table.pump()
    first = ada.link
    first._peer.abort()
    table.until(lambda: ada.link is not first and ada.link.connected)
    table.pump()
    assert window.graph._source._connection is ada.link


def test_the_arena_shows_the_net_graph(sit_down: Callable[[str], Table], hands: Hands, wire_name: str) -> None:
    table = sit_down("pong")  # for its server and the path: a window is all we need of the arena
    window_class = runpy.run_path(str(EXAMPLES / "arena_window.py"))["Window"]
    bot = type("Bot", (), {"coins": [], "rows": [], "places": {}, "lines": [], "me": None, "way": lambda self: (0, 0)})
    player = table.join("Ada", bot=False)
    player.link.net_steer = lambda dx, dy: None
    window = window_class(table.clients[0], player.link, bot(), (720, 480))
    window.draw()
    before = tuple(window.screen.get_at((12, 360)))
    hands.press(hands.pygame.K_F3)
    window.update(False)
    assert window.graph_shown
    assert tuple(window.screen.get_at((12, 360))) != before


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


def test_reversi_by_hand(sit_down: Callable[[str], Table], hands: Hands) -> None:
    table = sit_down("reversi")
    ada, blaise = table.join("Ada", bot=False), table.join("Blaise", bot=False)
    open_window(table, ada)
    table.until(lambda: ada.can_move())
    hands.click(3 * 60 + 30, 2 * 60 + 30)  # square 19
    table.until(lambda: blaise.can_move())
    assert (blaise.squares[19], blaise.squares[27], blaise.last) == (1, 1, 19)
    hands.click(4 * 60 + 30, 2 * 60 + 30)  # would be good for white, and it is white's turn
    for _ in range(5):
        table.pump()
    assert table.server.squares[20] == 0


@pytest.mark.parametrize("name", ["pong", "reversi", "lag_lab"])
def test_no_text_runs_into_another_or_over_the_edge(
    sit_down: Callable[[str], Table], hands: Hands, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = sit_down(name)
    ada, tom = table.join("WWWWWWWWWWWW", bot=False), table.join("Tom Bombadil", bot=False)
    window = open_window(table, ada)
    texts: list[tuple[str, Any]] = []

    def noting(text: str, x: int, y: int, colour: str = "", corner: str = "topleft", size: int = 22, **_: Any) -> int:
        right = write(text, x, y, colour or "white", corner, size, **_)
        box = hands.pygame.font.Font(None, size).render(text, True, "white").get_rect(**{corner: (x, y)})
        if box.width > (most := _.get("width", box.width)):
            box.width = most
            setattr(box, corner, (x, y))
        texts.append((text, box))
        return right

    write = window.write
    monkeypatch.setattr(window, "write", noting)
    if name == "lag_lab":
        ada.set(60, 500, 50)  # the widest that can be set
        for trail in ada.trails:
            trail.extend([[(0, 0)] * 3, [(300, 300)] * 3])
    elif name == "pong":
        for _ in range(12):
            table.join("Goldberry Bb", bot=False)
        table.until(lambda: len(ada.waiting) == 12)
        ada.text = "Tom Bombadil beats Goldberry Bb 5:4"
    else:
        table.leave(tom)
        table.until(lambda: ada.text == "Tom Bombadil left; the seat is kept for 30 s")
    texts.clear()
    window.update()
    apart = [(text, box.inflate(8, 0)) for text, box in texts if text]
    assert len(apart) > 5
    for number, (text, box) in enumerate(apart):
        assert window.screen.get_rect().contains(box), text
        assert [other for other, there in apart[number + 1 :] if box.colliderect(there)] == [], text
    if name == "reversi":
        assert {"Tom Bombadil", "2 discs, away"} <= {text for text, _ in apart}


def test_a_window_shortens_what_is_too_wide(sit_down: Callable[[str], Table], hands: Hands) -> None:
    table = sit_down("reversi")
    window = open_window(table, table.join("Ada", bot=False))
    narrow = window.write("WWWWWWWWWWWW", 10, 10, width=100)
    assert 60 < narrow - 10 <= 100
    assert window.write("short", 10, 10, width=100) == window.write("short", 10, 10)


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


# -- as a reader starts them


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
