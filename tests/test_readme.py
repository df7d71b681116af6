"""The README: its two programs run as printed, its two commands are one line each and name what exists."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
from pages import DOC, table
from programs import free_port

import pygnetic as net
from pygnetic.errors import DisconnectReason
from pygnetic.message import MessageFactory

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.rst").read_text(encoding="utf-8")
START = re.compile(r"^ *(python3 -m venv \.venv && .*)$", re.MULTILINE)
PROGRAMS = [
    "\n".join(line[4:] for line in block.splitlines()).strip() + "\n"
    for block in re.findall(r"^\.\. code-block:: python\n((?:    .*\n|\n)+)", README, re.MULTILINE)
]


class Program:
    """A program that runs in a process of its own, and the lines that it has printed."""

    def __init__(self, code: str, folder: Path, name: str) -> None:
        (folder / name).write_text(code, encoding="utf-8")
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, name],
            cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))

    def wait_for(self, wanted: str) -> None:
        """Wait until a line is printed."""
        seen = []
        try:
            while not seen or seen[-1] != wanted:
                seen.append(self._lines.get(timeout=20))
        except Empty:
            raise AssertionError(f"{wanted!r} was not printed, but {seen}") from None

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


def wait_until_somebody_listens(port: int) -> None:
    """Knock, with messages of our own, until a server refuses us: a player who came too early would not be told."""
    knocking = MessageFactory("json")
    knocking.register("knock")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with net.Client(n_adapter=("enet", "socket"), message_factory=knocking) as client:
            connection = client.connect("localhost", port)
            while connection.reason is None:
                client.update(50)
        if connection.reason.code == DisconnectReason.SCHEMA_MISMATCH:
            return
    raise AssertionError("the server does not listen")


def test_eleven_lines_each() -> None:
    assert len(PROGRAMS) == 2
    for program in PROGRAMS:
        first, *lines = filter(None, program.splitlines())
        assert first == "import pygnetic as net"
        assert len(lines) == 11


def test_the_programs_run_as_printed(tmp_path: Path) -> None:
    port = free_port()
    assert all(program.count("10000") == 1 for program in PROGRAMS)
    server, client = (program.replace("10000", str(port)) for program in PROGRAMS)
    with Program(server, tmp_path, "server.py") as first:
        wait_until_somebody_listens(port)
        with Program(client, tmp_path, "client.py") as second:
            second.wait_for("Server says: Welcome! Who are you?")
            first.wait_for("Guest 1 says: It is me, Tom")
            for program in (first, second) if sys.platform != "win32" else ():
                program.interrupt()
                program.wait_for("KeyboardInterrupt")


@pytest.mark.parametrize("word", ["pytest", "examples/arena.py"])
def test_commands(word: str) -> None:
    """Each is one line, found as .ci/run finds it, and installs what it needs."""
    commands = [command for command in START.findall(README) if word in command]
    assert len(commands) == 1
    steps = commands[0].split(" && ")
    assert len(steps) == 3
    assert re.fullmatch(r'\.venv/bin/python -m pip install -q -e "\.\[[a-z,]+\]"', steps[1])
    extras = re.findall(r"[a-z]+", steps[1].partition("[")[2])
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extra in extras:
        assert re.search(rf"^{extra} = ", project, re.MULTILINE)
    assert steps[2].startswith(".venv/bin/python ")


def test_the_documentation_is_where_it_is_said_to_be() -> None:
    [built] = re.findall(r"``(doc/build/\w+)\.html``", README)
    [command] = re.findall(r"^    \.venv/bin/python -m sphinx -b html (.*)$", README, re.MULTILINE)
    assert command.split() == ["doc", "doc/build"]
    assert (ROOT / "doc" / f"{Path(built).name}.rst").exists()
    for folder in re.findall(r"``((?:doc|examples)/(?:\w+/)?)``", README):
        assert (ROOT / folder).is_dir()


def test_files_that_are_named_exist() -> None:
    names = re.findall(r"``((?:examples/|doc/)?\w+\.(?:py|rst))``", README)
    names += re.findall(r"(?:python[\w/.]* |image:: )([\w/]+\.(?:py|png))", README)
    own = {"server.py", "client.py"}  # the reader's
    assert len(names) >= 10
    for name in set(names) - own:
        assert (ROOT / name).exists() or (ROOT / "examples" / name).exists(), name


def test_every_example_is_named() -> None:
    section = README.partition("\nThe examples\n---")[2].partition("\n---")[0]
    named = set(re.findall(r"``(\w+\.py)``", section))
    assert named == {path.name for path in (ROOT / "examples").glob("*.py")} - {"__init__.py"}


def test_options_of_the_arena_that_are_named_exist() -> None:
    source = (ROOT / "examples" / "arena.py").read_text(encoding="utf-8")
    options = set(re.findall(r"``(--[\w-]+)", README)) - {"--help"}
    assert options
    for option in options:
        assert f'"{option}"' in source


def test_what_it_is_takes_three_sentences() -> None:
    text = README.partition(".. introduction\n")[2].partition(".. end of introduction")[0]
    assert len(re.findall(r"\.(?=\s)", text.replace("``update()``", "update"))) == 3


# -- the table beside other libraries

LIBRARIES = ("pygnetic", "PodSixNet", "python-socketio", "raw pyenet", "sockets")


def beside(first: str) -> dict[str, str]:
    """Return a row of the table, a cell for each library."""
    found = re.search(rf"   \* - {first}\n((?:     - .*\n)+)", README)
    assert found
    return dict(zip(LIBRARIES, found[1].removeprefix("     - ").rstrip("\n").split("\n     - "), strict=True))


def medians(name: str) -> dict[str, float]:
    """Return the CPU that one program takes over that of another, as the page on performance shows it."""
    text = (DOC / "_generated" / f"bench_{name}.inc").read_text(encoding="utf-8")
    return {what: float(median) for what, median, *_ in table(text, "Paired within each round")}


def test_what_an_echo_costs_is_what_the_page_on_performance_says() -> None:
    """Roughly: a third more or less, as from one machine to the next."""
    told = beside("CPU for an echo")
    libraries, hand = medians("libraries"), medians("echo")
    by_hand = "by hand: pyenet + msgpack, a packet a message"
    ours = hand[f"pygnetic: enet, msgpack, over {by_hand}"]
    least, most = told["raw pyenet"].split(" to ")
    pairs = [
        (told["PodSixNet"], libraries["pygnetic: enet, msgpack, over PodSixNet"]),
        (told["python-socketio"], libraries["pygnetic: enet, msgpack, over python-socketio"]),
        (least, hand[f"by hand, a packet a tick, over {by_hand}"] / ours),
        (most, 1 / ours),
    ]
    for text, measured in pairs:
        assert 2 / 3 < float(text.removeprefix("about ")) / measured < 4 / 3, text
    assert float(least) < 1 / medians("echo-single")[f"pygnetic: enet, msgpack, over {by_hand}"] < float(most)
    assert (told["pygnetic"], told["sockets"]) == ("1", "not measured")


def sources(library: str) -> str:
    found = importlib.util.find_spec(library)  # without an import: PodSixNet's warns, and fails on Python 3.12
    if found is None or found.origin is None:
        pytest.skip(f"{library} is not installed")
    paths = sorted(Path(found.origin).parent.rglob("*.py"))
    return "".join(path.read_text(encoding="utf-8") for path in paths)


@pytest.mark.bench  # what it needs is installed where the benchmarks run
def test_what_the_table_says_of_podsixnet() -> None:
    source = sources("PodSixNet")
    assert beside("Travels over")["PodSixNet"] == "TCP"
    assert "socket.SOCK_STREAM" in source and "SOCK_DGRAM" not in source
    assert "``action``" in beside("What you send")["PodSixNet"] and "'Network_' + data['action']" in source
    assert beside("Python 3.12 and later")["PodSixNet"] == "no" and "\nimport asyncore" in source
    assert beside("Encryption")["PodSixNet"] == "no" and "ssl" not in source
    assert beside("Rooms, replies to a message")["PodSixNet"] == "no" and "room" not in source.lower()


@pytest.mark.bench
def test_what_the_table_says_of_python_socketio() -> None:
    source = sources("socketio")
    assert beside("Rooms, replies to a message")["python-socketio"] == "yes"
    assert "def enter_room(" in source and "def call(" in source
    below = sources("engineio")
    assert beside("Travels over")["python-socketio"] == "HTTP or WebSocket"
    assert "valid_transports = ['polling', 'websocket']" in below and "SOCK_DGRAM" not in source + below
    assert beside("Encryption")["python-socketio"] == "yes, TLS" and "ssl_verify" in below


def test_what_the_table_says_of_pyenet() -> None:
    enet = pytest.importorskip("enet")
    assert beside("Unreliable messages")["raw pyenet"] == "yes" and enet.PACKET_FLAG_UNSEQUENCED
    assert beside("What you send")["raw pyenet"] == "bytes"
    with pytest.raises(TypeError):
        enet.Packet({"action": "say"})


def test_what_the_table_says_of_pygnetic() -> None:
    assert beside("Travels over")["pygnetic"] == "UDP or TCP"
    pages = " ".join((DOC / "not_yet.rst").read_text(encoding="utf-8").split())
    assert beside("Rooms, replies to a message")["pygnetic"] == "no"
    assert "**Requests and replies.**" in pages and "**Rooms.**" in pages
    assert beside("Encryption")["pygnetic"] == "no" and "**Encryption.**" in pages


def test_it_is_plain_rst() -> None:
    """PyPI knows no Sphinx."""
    pytest.importorskip("docutils")
    assert not re.search(r":\w+:`", README)
    # in a process of its own: the documentation's tests leave nothing here that would teach docutils more
    program = "import sys; from docutils.core import publish_string as p; p(sys.stdin.read(), writer='html5')"
    quiet = "import warnings; warnings.simplefilter('ignore'); "
    command = [sys.executable, "-c", quiet + program]
    done = subprocess.run(command, input=README, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, timeout=50)
    assert (done.returncode, done.stderr) == (0, "")
