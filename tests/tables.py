"""A game's server and its bots in one process, and hands at a window; the tests of the games share them."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from programs import EXAMPLES, LOCAL, Program
from relays import pump_until

import pygnetic as net

needs_examples = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are not here")
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
