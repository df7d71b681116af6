"""The snippets of the documentation run, and what they print is what the documentation shows.

Each ``doc/snippets/**/<name>.txt`` is the end of what ``<name>.py`` beside it prints. After a change that is meant,
write them again with ``PYGNETIC_WRITE=1 pytest tests/test_snippets.py``, and look at the difference.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import free_port

import pygnetic as net
from pygnetic.__main__ import main
from pygnetic.errors import DecodeError
from pygnetic.limits import DEFAULT
from pygnetic.message import MessageFactory

ROOT = Path(__file__).parent.parent
DOC = ROOT / "doc"
SNIPPETS = DOC / "snippets"
PORT = "10000"  # in the snippets; a free one while they are tested
HELP = {"help": ["--help"], "help_ping": ["ping", "--help"]}
PRINTED = sorted(path for path in SNIPPETS.rglob("*.txt") if path.stem not in HELP)
MISTAKES = sorted((SNIPPETS / "mistakes").glob("*.py"))
PATIENCE = 20.0


def name_of(path: Path) -> str:
    return path.relative_to(SNIPPETS).with_suffix("").as_posix()


@pytest.fixture
def port() -> str:
    return str(free_port())


@pytest.fixture
def folder(tmp_path: Path, port: str) -> Path:
    """Return an empty folder that has become the tutorial's, with a free port."""
    copy(SNIPPETS / "tutorial", tmp_path, port)
    return tmp_path


def copy(source: Path, folder: Path, port: str) -> None:
    for file in [source] if source.is_file() else source.glob("*.py"):
        text = file.read_text(encoding="utf-8")
        (folder / file.name).write_text(re.sub(rf"\b{PORT}\b", port, text), encoding="utf-8")


class Program:
    """A program that runs in a folder, and the lines that it has printed."""

    def __init__(self, folder: Path, *command: object) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(Path(net.__file__).parent.parent)}
        environment.update(SDL_VIDEODRIVER="dummy", SDL_AUDIODRIVER="dummy", PYGAME_HIDE_SUPPORT_PROMPT="1")
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", *map(str, command)],
            cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
        )  # fmt: skip
        self.output = ""
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def wait_for(self, wanted: str) -> None:
        """Wait until a line is printed in which this is found."""
        try:
            while line := self._lines.get(timeout=PATIENCE):
                self.output += line
                if wanted in line:
                    return
        except Empty:
            pass
        raise AssertionError(f"{wanted!r} was not printed, but:\n{self.output}")

    def end(self) -> str:
        """Wait for the end, and return all that was printed."""
        while line := self._lines.get(timeout=PATIENCE):
            self.output += line
        self.process.wait(PATIENCE)
        return self.output

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout
        self.process.stdout.close()


def need(path: Path) -> None:
    """Skip a snippet whose library is not installed here."""
    text = path.read_text(encoding="utf-8")
    shown = path.with_suffix(".txt")
    if shown.exists():
        text += shown.read_text(encoding="utf-8")
    for word, library in {"enet": "enet", "msgpack": "msgpack"}.items():
        if word in text:
            pytest.importorskip(library)


def normal(text: str, port: str) -> str:
    """Leave out what is different each time and on each system."""
    text = re.sub(rf"\b{port}\b", PORT, text)
    return re.sub(r"^\d\d:\d\d:\d\d ", "17:11:40 ", text, flags=re.M)


# -- the tutorial


def test_the_tutorial_is_under_seventy_lines() -> None:
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in (SNIPPETS / "tutorial").glob("*.py")]
    assert len(lines) == 3
    assert 60 <= sum(lines) < 70


def test_two_windows_chat(folder: Path) -> None:
    pytest.importorskip("pygame")
    end = "Ann: yes"
    with Program(folder, "server.py") as server:
        server.wait_for("The server listens on port")

        def window(name: str, answers: dict[str, str]) -> Program:
            command = [SNIPPETS / "drive_window.py", f"{name}.png", json.dumps(answers), "window.py", name, "127.0.0.1"]
            return Program(folder, *command)

        with window("Tom", {"Ann: hello": "play?", "": end}) as tom:
            tom.wait_for("connected")
            with window("Ann", {"connected": "hello", "Tom: play?": "yes", "": end}) as ann:
                for program in (tom, ann):
                    assert "Ann: hello\nTom: play?\nAnn: yes\n" in program.end()
                    assert program.process.returncode == 0
        server.wait_for(end)
    assert (folder / "Tom.png").stat().st_size > 1000


def test_what_the_tutorial_server_gets_from_a_stranger(folder: Path, port: str) -> None:
    """Nonsense does not stop it, and a name is not changed by what is said."""
    factory = MessageFactory()
    factory.register("update_remoteobject", ("type_id", "obj_id", "variables"))
    factory.register("join", ("name",))
    factory.register("say", ("text",))
    factory.register("chat_msg", ("player", "msg"))
    with Program(folder, "server.py") as server, net.Client(message_factory=factory) as client:
        server.wait_for("The server listens on port")
        connection = client.connect("127.0.0.1", int(port))
        for value in ([[]], {"a": 1}, None, 1e300, "\0\x1b[2J", "x" * 500):
            connection.net_join(value)
            connection.net_say(value)
            connection.net_chat_msg("Ann", value)  # only the server says who speaks: nothing comes of it
        connection.net_join("Tom")
        connection.net_say("all well")
        while not server.process.poll() and connection.reason is None and connection.messages_received < 7:
            client.update(20)
        server.wait_for("Tom: all well")
        assert "Ann" not in server.output


STOPS = {"mygame.service": r"KillSignal=(\w+)", "Dockerfile": r"STOPSIGNAL (\w+)"}


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
@pytest.mark.parametrize("file", STOPS)
def test_the_deployed_server_says_goodbye(folder: Path, port: str, file: str) -> None:
    (name,) = re.findall(STOPS[file], (SNIPPETS / "deploy" / file).read_text(encoding="utf-8"))
    factory = MessageFactory()
    factory.register("update_remoteobject", ("type_id", "obj_id", "variables"))
    factory.register("join", ("name",))
    factory.register("say", ("text",))
    factory.register("chat_msg", ("player", "msg"))
    with Program(folder, "server.py") as server, net.Client(message_factory=factory) as client:
        server.wait_for("The server listens on port")
        connection = client.connect("127.0.0.1", int(port))
        while not connection.connected and connection.reason is None:
            client.update(20)
        server.process.send_signal(getattr(signal, name))
        while connection.reason is None:
            client.update(20)
        assert str(connection.reason) == "KICKED: the server was closed"


# -- programs that run by themselves


@pytest.mark.parametrize("path", MISTAKES, ids=name_of)
def test_each_mistake_is_shown(path: Path) -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in DOC.rglob("*.rst"))
    assert path.with_suffix(".txt").exists() or "PYGNETIC_WRITE" in os.environ
    assert f"snippets/mistakes/{path.stem}.txt" in pages


RUN = sorted({*MISTAKES, *(path.with_suffix(".py") for path in PRINTED)})


@pytest.mark.parametrize("path", RUN, ids=name_of)
def test_what_is_printed(path: Path, folder: Path, port: str) -> None:
    need(path)
    copy(path, folder, port)
    with Program(folder, path.name) as program:
        printed = normal(program.end(), port)
    shown = path.with_suffix(".txt")
    if "PYGNETIC_WRITE" in os.environ:
        lines = printed.splitlines(keepends=True)
        shown.write_text("".join(lines[-1:] if path in MISTAKES else lines), encoding="utf-8")
    told = shown.read_text(encoding="utf-8")
    printed, told = (re.sub(r"\[Errno \d+\]", "[Errno]", text) for text in (printed, told))
    assert printed.endswith(told)


def test_all_snippets_are_shown() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in DOC.rglob("*.rst"))
    for path in SNIPPETS.rglob("*.*"):
        hidden = any(part.startswith((".", "__")) for part in path.relative_to(SNIPPETS).parts)
        if not hidden and path.name != "drive_window.py" and path not in MISTAKES:
            assert re.search(rf"snippets/{path.relative_to(SNIPPETS).as_posix()}\b", pages), path


@pytest.mark.parametrize("name", HELP)
def test_help(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main(HELP[name])
    printed = capsys.readouterr().out
    shown = SNIPPETS / f"{name}.txt"
    if "PYGNETIC_WRITE" in os.environ:
        shown.write_text(printed, encoding="utf-8")
    assert printed.split() == shown.read_text(encoding="utf-8").split()  # each Python breaks the lines elsewhere


def test_what_ping_says_is_on_the_page() -> None:
    package = Path(net.__file__).parent
    source = "".join((package / name).read_text(encoding="utf-8") for name in ("_cli/ping.py", "network/base.py"))
    page = (DOC / "howto" / "lan_party.rst").read_text(encoding="utf-8")
    told = re.findall(r"^   \* - \*(.+?)\*", page, re.M)
    assert len(told) == 8
    for text in told:
        pieces = [piece.strip() for piece in text.split("...") if piece.strip()]
        assert all(piece in re.sub(r"\{'' if untried else '(.*?)'\}", r"\1", source) for piece in pieces), text


PRESS_F3 = """
import runpy, pygame
flip, frames, seen = pygame.display.flip, 0, set()
def one_frame():
    global frames
    flip()
    frames += 1
    screen = pygame.display.get_surface()
    corner = screen.subsurface(screen.get_width() - 320, screen.get_height() - 120, 320, 120)
    seen.add(len({corner.get_at((x, 60))[:3] for x in range(320)}) > 1)
    if frames in (5, 10, 15):
        print("graph" if seen == {True} else "no graph" if seen == {False} else "both", flush=True)
        pygame.event.post(pygame.event.Event(pygame.QUIT if frames == 15 else pygame.KEYDOWN, key=pygame.K_F3))
        seen.clear()
pygame.display.flip = one_frame
runpy.run_path("netgraph.py", run_name="__main__")
"""


def test_f3_shows_and_hides_the_net_graph(tmp_path: Path) -> None:
    pytest.importorskip("pygame")
    copy(SNIPPETS / "netgraph.py", tmp_path, PORT)
    with Program(tmp_path, "-c", PRESS_F3) as program:
        output = program.end()
    assert program.process.returncode == 0, output
    assert re.findall("^(?:no )?graph$|^both$", output, re.M) == ["no graph", "graph", "no graph"]


# -- testing without a network, types, PodSixNet


def test_the_tests_of_the_game(tmp_path: Path) -> None:
    copy(SNIPPETS / "testing", tmp_path, PORT)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    with Program(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider") as program:
        output = program.end()
    assert program.process.returncode == 0, output
    assert "4 passed" in output


REVEALED = {
    "server": "mine.Sea",  # "with" keeps the type
    "server.address": "tuple[str, int]",
    "server.connections()": "list[pygnetic.connection.Connection]",
    "server.handlers()": "list[Any]",  # each has what its own class has
    "server.broadcast('x')": "int",
    "client": "pygnetic.client.Client",
    "connection": "pygnetic.connection.Connection",
    "connection.id": "int",
    "connection.connected": "bool",
    "connection.reason": "pygnetic.errors.Reason | None",
    "connection.rtt": "float",
    "connection.send('x')": "bool",
    "connection.stats.sent": "dict[str, pygnetic.stats.Traffic]",
    "net.init()": "bool",
    "net.message.message_factory": "pygnetic.message.MessageFactory",
    "net.message.message_factory.get_hash()": "int",
    "net.event.NETWORK": "int",
}


def mypy_environment() -> dict[str, str]:
    environment = dict(os.environ)
    if Path(net.__file__).parent.parent == ROOT:  # elsewhere mypy finds what is installed, by py.typed
        environment["MYPYPATH"] = str(ROOT)
    return environment


def test_what_an_editor_knows_and_that_the_typed_example_is_typed(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    lines = ["import pygnetic as net", "class Sea(net.Server):", "    pass"]
    lines += ["with Sea() as server, net.Client() as client:", "    connection = client.connect('localhost', 1)"]
    lines += [f"    reveal_type({text})" for text in REVEALED]
    (tmp_path / "mine.py").write_text("\n".join(lines))
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "mine.py", str(SNIPPETS / "typed.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=mypy_environment(), timeout=55)
    told = re.sub(r"Union\[(.*), None\]", r"\1 | None", done.stdout.replace("builtins.", ""))
    told = re.sub(r"tuple\[[^\]]*fallback=(.*?)\]", r"\1", told)
    revealed = re.findall('Revealed type is "(.*)"', told)  # each mypy writes them in its own way
    assert done.returncode == 0, done.stdout + done.stderr
    assert dict(zip(REVEALED, revealed, strict=True)) == REVEALED, done.stdout


def test_a_handler_may_leave_out_what_it_does_not_need(tmp_path: Path) -> None:
    """To a type checker, too: so says the page."""
    pytest.importorskip("mypy")
    lines = ["import pygnetic as net", "from typing import Any"]
    ways = ["message: object", "message: object, channel: int", "message: object, *, channel: int = 0"]
    for number, parameters in enumerate([*ways, "message: Any, **kwargs: Any"]):
        lines.append(f"class H{number}(net.Handler):")
        lines += [f"    def {name}(self, {parameters}) -> None: ..." for name in ("on_receive", "on_recive")]
    (tmp_path / "mine.py").write_text("\n".join(lines))
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "mine.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=mypy_environment(), timeout=55)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_port_from_podsixnet(tmp_path: Path, port: str) -> None:
    copy(SNIPPETS / "podsixnet", tmp_path, port)
    with Program(tmp_path, "chat_server.py") as server:
        server.wait_for("listening on port")
        with Program(tmp_path, "chat_client.py", "Tom") as tom:
            tom.wait_for("Tom: hello")
            with Program(tmp_path, "chat_client.py", "Ann") as ann:
                ann.wait_for("Ann: hello")
                tom.wait_for("players: Tom, Ann")
            # Ann's program was killed: the server finds out by itself later
        with Program(tmp_path, "chat_client.py") as nobody:
            nobody.wait_for("anonymous: hello")


def test_nothing_is_drawn_before_the_first_place() -> None:
    names = runpy.run_path(str(SNIPPETS / "smooth.py"))
    smooth = names["Smooth"]()
    assert smooth.at(0.0) is None
    smooth.add(5.0, 0, 42)
    assert smooth.at(5.0) == 42


@pytest.fixture(scope="module")
def predict() -> dict[str, Any]:
    return runpy.run_path(str(SNIPPETS / "predict.py"))


def test_your_own_ship_moves_at_once_and_stops_at_once(predict: dict[str, Any]) -> None:
    """With 100 ms each way, and the key down for 12 frames: 36 pixels, and not one more afterwards."""
    shown = [mine for mine, _ in predict["shown"]]
    assert shown[:12] == [3 * frame for frame in range(1, 13)]
    assert set(shown[12:]) == {36}
    told = [told for _, told in predict["shown"]]
    assert told[11] == 0 and told[-1] == 36  # the line is as slow as it says, and both agree in the end


def test_the_server_puts_your_own_ship_right(predict: dict[str, Any]) -> None:
    mine = predict["Mine"]()
    numbers = [mine.input(1) for _ in range(10)]
    assert mine.x == 30
    mine.answer(numbers[3], 100)  # somebody pushed us: after four inputs we were at 100; six more follow
    assert mine.x == 118
    mine.answer(numbers[1], 0)  # an old answer plays nothing twice
    assert len(mine.waiting) == 6
    mine.answer(numbers[-1], 42)
    assert mine.x == 42 and not mine.waiting


def test_more_inputs_make_no_ship_faster(predict: dict[str, Any]) -> None:
    guest, steer = predict["Guest"](), predict["steer"]
    for number in range(1000):
        guest.net_steer(steer(number, 1))
    assert guest.x == predict["SPEED"] * predict["BURST"]
    for number in range(60):
        guest.tick()
        for dx in (1, 1, 1e300, [], "x", None, -7, float("nan")):
            guest.net_steer(steer(number, dx))
    assert guest.x == predict["SPEED"] * (predict["BURST"] + 60)


# -- the adapters


@pytest.fixture
def snippets_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(SNIPPETS))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in ("my_codec", "my_adapter"):
        sys.modules.pop(name, None)


def test_my_adapter_keeps_the_contract(tmp_path: Path) -> None:
    """The whole contract suite, as the page says to run it."""
    environment = {**os.environ, "PYGNETIC_NETWORK": "my_adapter"}
    environment["PYTHONPATH"] = os.pathsep.join([str(SNIPPETS), *filter(None, sys.path)])
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_contract.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=55)
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 50


def test_my_codec_in_a_game(snippets_path: None) -> None:
    import my_codec  # type: ignore[import-not-found]

    factory = MessageFactory(my_codec)
    echo = factory.register("echo", ("value",))

    class Echo(net.Handler):
        def net_echo(self, message: Any) -> None:
            self.connection.send(message)

    class Listener(net.Handler):
        heard: Any = None

        def net_echo(self, message: Any) -> None:
            self.heard = message

    options: Any = {"message_factory": factory, "n_adapter": "memory"}
    with net.Server(handler=Echo, **options) as server, net.Client(**options) as client:
        listener = Listener()
        connection = client.connect(*server.address)
        connection.add_handler(listener)
        connection.send(echo, ["x"] * 500)
        while not listener.heard:
            client.update()
            server.update()
            assert connection.reason is None
    assert listener.heard == echo(["x"] * 500)


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(noise=st.binary(max_size=200), cut=st.integers(1, 20))
def test_my_codec_raises_decode_errors_only(noise: bytes, cut: int) -> None:
    spec = importlib.util.spec_from_file_location("my_codec", SNIPPETS / "my_codec.py")
    assert spec and spec.loader
    codec = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    spec.loader.exec_module(codec)
    sys.dont_write_bytecode = before
    good = codec.pack([1, "two", [3.5, None]])
    for data in (noise, good[:-cut], good + noise[:1] if noise else good + b"!"):
        with pytest.raises(DecodeError):
            codec.unpack(data)
    stream = codec.unpacker()
    found = []
    for piece in (good[:-cut], good[-cut:] + good):
        stream.feed(piece)
        found += stream
    assert found == [[1, "two", [3.5, None]]] * 2


def test_my_codec_takes_what_fits(snippets_path: None) -> None:
    import my_codec

    assert len(my_codec.unpack(my_codec.pack(["x" * 60_000]))[0]) == 60_000
    assert DEFAULT.packet_size > 60_000
    with pytest.raises(DecodeError, match="more than 65536 bytes"):
        my_codec.unpack(my_codec.zlib.compress(b" " * 10_000_000))  # 10 kB that would become 10 MB


# -- pictures


def test_pictures_of_the_documentation_exist() -> None:
    for page in DOC.rglob("*.rst"):
        if "build" not in page.relative_to(DOC).parts:
            for name in re.findall(r"(?:image|figure):: (\S+)", page.read_text(encoding="utf-8")):
                assert (page.parent / name).resolve().exists() or (DOC / name.lstrip("/")).exists(), f"{page}: {name}"


def test_the_picture_script_runs(tmp_path: Path) -> None:
    pytest.importorskip("pygame")
    shutil.copy(DOC / "make_pictures.py", tmp_path)  # it writes beside itself
    with Program(tmp_path, "make_pictures.py", "delivery", "message") as program:
        output = program.end()
    assert program.process.returncode == 0, output
    assert len(list((tmp_path / "_static").glob("*.png"))) == 4
