"""What the documentation says is true: its examples run, its bytes and its tables are the code's."""

import ast
import importlib.util
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import figures
import pytest
from floors import LIBRARIES
from pages import DOC, page, table
from world import World

import pygnetic as net
from pygnetic import errors, limits, netgraph, stats
from pygnetic.__main__ import _parser
from pygnetic._core import delivery, inbox, outbox, packets, session
from pygnetic._core.session import State
from pygnetic.errors import DisconnectReason
from pygnetic.limits import Limits
from pygnetic.network import _enet_cookie

ROOT = Path(__file__).parent.parent
# generated pages are elsewhere, but a reader may have built them in here
PAGES = [path for path in sorted(DOC.rglob("*.rst")) if "build" not in path.relative_to(DOC).parts]

# A fresh interpreter for each page, since examples register messages and choose adapters. What is logged is compared
# as well, all but the time of day.
DOCTEST = r"""
import doctest, re, sys

class Log:
    def write(self, text):
        sys.stdout.write(text)
    def flush(self):
        pass

class Checker(doctest.OutputChecker):
    def check_output(self, want, got, flags):
        want, got = (re.sub(r"\b\d\d:\d\d:\d\d\b", "17:11:40", text) for text in (want, got))
        return super().check_output(want, got, flags)

with open(sys.argv[1], encoding="utf-8") as file:
    test = doctest.DocTestParser().get_doctest(file.read(), {}, sys.argv[1], sys.argv[1], 0)
sys.stderr = Log()
results = doctest.DocTestRunner(Checker()).run(test)
print(results.attempted)
sys.exit(results.failed > 0)
"""


def name_of(path: Path) -> str:
    return path.relative_to(DOC).with_suffix("").as_posix()


def need(text: str) -> None:
    """Skip if a text uses a library that is not installed."""
    for word, library in {"msgpack": "msgpack", "enet_adapter": "enet"}.items():
        if word in text and importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")


def code_blocks(text: str, language: str) -> Iterator[str]:
    """The contents of each ``code-block`` of a language."""
    for found in re.finditer(rf"^( *)\.\. code-block:: {language}\n((?:\1 +.*\n|\n)+)", text, re.MULTILINE):
        yield textwrap.dedent(found[2]).strip() + "\n"


# -- what can run


@pytest.mark.parametrize("path", [path for path in PAGES if ">>> " in path.read_text(encoding="utf-8")], ids=name_of)
def test_examples_at_the_prompt(path: Path) -> None:
    need(path.read_text(encoding="utf-8"))
    command = [sys.executable, "-c", DOCTEST, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[-1]) > 0


SNIPPETS = [
    pytest.param(code, id=f"{name_of(path)}-{number}")
    for path in PAGES
    for number, code in enumerate(code_blocks(path.read_text(encoding="utf-8"), "python"))
]


@pytest.mark.parametrize("code", SNIPPETS)
def test_snippets(code: str) -> None:
    """Whole programs, which begin with an import, run and end; the others are Python at least."""
    ast.parse(code)
    if code.startswith(("import ", "from ")):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=50)
        assert done.returncode == 0, done.stderr


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) >= 2


def test_the_parrot() -> None:
    [code] = [code for code in code_blocks(page("reference/api"), "python") if "class Parrot" in code]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=50)
    assert done.stdout == "Tom says Test message\n"


EVENT_LOOP = """
import os
os.environ["SDL_VIDEODRIVER"] = "dummy"
import pygame
import pygnetic as net
from pygnetic import event

pygame.display.init()
pygame.display.set_mode((1, 1))
net.init(events=True, logging_lvl=None, n_module="memory")
chat_msg = net.register("chat_msg", ("player", "msg"))
wave = net.register("wave")
server = net.Server()
client = net.Client()
connection = client.connect(*server.address)
while not server.connections():
    client.update()
    server.update()
pygame.event.clear()
[guest] = server.connections()
guest.net_chat_msg("Tom", "Test message")
guest.net_wave()
server.update()
client.update()
guest.disconnect(0, "bye")
while connection.reason is None or connection.connected:
    client.update()
    server.update()
"""


def test_the_event_loop() -> None:
    pytest.importorskip("pygame")
    [code] = [code for code in code_blocks(page("reference/api"), "python") if code.startswith("for e in")]
    command = [sys.executable, "-W", "ignore", "-c", EVENT_LOOP + code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=50)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if not line.startswith(("pygame", "Hello from"))]
    assert lines[:3] == ["connected", "Tom: Test message", "received: wave()"]
    assert set(lines[3:]) == {"disconnected: KICKED: bye", "disconnected: CLOSED: bye"}


# -- what the bytes are


def explained(text: str) -> Iterator[tuple[str, list[tuple[bytes, str]]]]:
    """Each line of hex that an example prints, with the block below it: the same bytes, piece by piece."""
    pattern = r"^>>> print\(.*\.hex\(' '\)\)\n([0-9a-f ]+)\n\n\.\. code-block:: text\n\n((?:   .*\n)+)"
    for found in re.finditer(pattern, text, re.MULTILINE):
        lines = []
        for line in found[2].splitlines():
            piece, _, meaning = line.strip().partition("   ")
            lines.append((bytes.fromhex(piece), meaning.strip()))
        yield found[1], lines


def test_the_bytes_are_explained_to_the_last() -> None:
    packets = list(explained(page("protocol")))
    assert len(packets) == 13
    assert len(packets) == page("protocol").count("code-block:: text") - 1  # one is a picture
    for printed, lines in packets:
        assert b"".join(piece for piece, _ in lines) == bytes.fromhex(printed)


def test_what_is_said_about_the_bytes() -> None:
    told = 0
    for _, lines in explained(page("protocol")):
        for piece, meaning in lines:
            if quoted := re.search(r'"(.*)"', meaning):
                assert quoted[1].encode() in piece
                told += 1
            if length := re.match(r"length of .*: (\d+)$", meaning):
                assert int(length[1]) == int.from_bytes(piece, "big")
                told += 1
            if reason := re.match(r"reason: (\w+)$", meaning):
                assert DisconnectReason[reason[1]] == int.from_bytes(piece, "big")
                told += 1
    assert told >= 15


def test_control_packets() -> None:
    rows = table(page("protocol"), "Kind")
    assert [(int(number), name) for number, name, _ in rows] == [
        (getattr(packets, name), name) for name in ("HELLO", "WELCOME", "REFUSE", "PING", "PONG", "BYE")
    ]


def test_numbers_of_the_protocol() -> None:
    text = " ".join(page("protocol").split())
    assert f"This is version {packets.VERSION} of the protocol" in text
    assert f"length of the application's bytes, at most {packets.MAX_APPLICATION}" in text
    assert text.count(f"length of the text, at most {packets.MAX_TEXT}") == 2
    assert f"length of the description, at most {packets.MAX_DESCRIPTION:,}" in text
    assert len(packets.printable("x" * 1000)) == 400 and "cut to 400 characters" in text
    assert f"{session._FINAL_PACKETS} s after a BYE" in text


# -- what the tables say


def test_limits() -> None:
    rows = table(page("reference/limits"), "Limit")
    told = {name.strip("`"): default.partition(" ")[0] for name, default, _ in rows}
    assert told == {field.name: str(field.default) for field in fields(Limits)}


def test_numbers_outside_limits() -> None:
    assert f"one packet holds at most {outbox.BATCH} messages" in page("reference/limits")
    assert f"Each waiting packet counts {inbox._PACKET_COST} bytes more" in page("reference/limits")
    assert f"repeated every {_enet_cookie.RETRY} s" in " ".join(page("protocol").split())
    assert f"It is good for {_enet_cookie.PERIOD:.0f} to {2 * _enet_cookie.PERIOD:.0f} s" in page("protocol")
    assert f"``channel=`` 0 to {delivery._MOST_CHANNELS - 1}" in page("reference/adapters")


def test_numbers_of_enet() -> None:
    pytest.importorskip("enet")
    from pygnetic.network import _enet_host, _enet_slots, enet_adapter

    assert f"Both ends use {_enet_host.CHANNELS} channels" in page("protocol")
    spare = _enet_slots.SPARE + Limits().strangers
    assert f"at most {_enet_slots.MAX_PEERS - spare} connections" in page("reference/adapters")
    assert f"has {spare} slots more" in page("design")
    assert f"at most {enet_adapter._SLICE * 1000:.0f} ms at once" in page("design")


def test_limits_named_elsewhere() -> None:
    names = {field.name for field in fields(Limits)}
    for path in PAGES:
        for name in re.findall(r"``Limits\.(\w+)``", path.read_text(encoding="utf-8")):
            assert name in names, path


def test_reasons() -> None:
    rows = table(page("reference/errors"), "No.")
    told = [(int(number), name.strip("`")) for number, name, *_ in rows]
    assert told == [(reason.value, reason.name) for reason in DisconnectReason]


def test_when_pygame_is_imported() -> None:
    text = (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8")
    [told] = re.findall(r"^``pygame`` is imported only .*?(?=:?$)", text, re.MULTILINE)
    assert told in page("design")
    assert [name for name in LIBRARIES if "pygame" in LIBRARIES[name]] == ["pygnetic.event", "pygnetic.netgraph"]


def test_states() -> None:
    states = [row[0].partition(":")[0] for row in table(page("design"), "State")]
    assert states == [state.name for state in State]


def test_adapters() -> None:
    for module in (net.network, net.serialization):
        section = page("reference/adapters").partition(f"{module.registry.kind.capitalize()} adapters\n----")[2]
        rows = table(section, "Name")
        assert [row[0].strip("`") for row in rows] == list(module.registry.records)
        for row in rows:
            needs = row[-2]
            package = module.registry.records[row[0].strip("`")].install
            assert needs.endswith(f"``pip install {package}``") if package else needs == "nothing"


def test_warnings_are_the_codes() -> None:
    section = page("reference/errors").partition("Warnings in the log\n")[2]
    source = "".join(path.read_text(encoding="utf-8") for path in Path(net.__file__).parent.rglob("*.py"))
    texts = re.findall(r"^\* ``(?:\.\.\. )?(.*?)``:", section, re.MULTILINE)
    assert len(texts) == 4
    for text in texts:
        assert text in source


# -- security


def test_each_promise_is_held_by_tests() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    known = set(re.findall(r"^def (test_\w+)", tests, re.MULTILINE))
    promises = table(page("security"), "What happens")
    assert [row[0] for row in promises] == list(figures.ROWS)
    for *_, held in promises + table(page("security"), "What is promised"):
        names = re.findall(r"``(test_\w+)``", held)
        assert names and set(names) <= known, held


NUMBER = r"([+-]?\d+(?:\.\d+)?)(?: ?([^\W\d]+|%))?"


def keeps(measured: str, promised: str) -> bool | None:
    """Does a figure keep its promise? None if they are no numbers. "5.1 s" keeps "5 s", which is not "5.0 s"."""
    if of := re.match(r"(\d+) of (\d+)\b", measured):
        return of[1] == (of[2] if promised == "all" else promised)
    found, bar = re.match(r"(?:\d+ %: )?" + NUMBER, measured), re.fullmatch("(below )?" + NUMBER, promised)
    if not found or not bar:
        return None
    value, limit = float(found[1]), float(bar[2])
    kept = value < limit if bar[1] else round(value, len(bar[2].partition(".")[2])) <= limit
    return kept and found[2] in (None, bar[3])


def test_what_keeps_a_promise() -> None:
    kept = [("+4.9 MB", "below +5 MB"), ("5.1 s", "5 s"), ("20 of 20", "20"), ("8 of 8, 3 s", "all"), ("0 of 48", "0")]
    kept += [("95 %: 0, at most 3 frames", "2 frames"), ("99 %: 3.9 ms, longest: 12 ms", "10 ms"), ("+0", "+0")]
    broken = [("+5.0 MB", "below +5 MB"), ("5.6 s", "5 s"), ("19 of 20", "20"), ("7 of 8", "all"), ("1 of 48", "0")]
    broken += [("95 %: 3, at most 3 frames", "2 frames"), ("3.9 s", "10 ms"), ("+1", "+0")]
    assert [keeps(*pair) for pair in kept + broken] == [True] * 8 + [False] * 8
    assert [keeps(*pair) for pair in (("2.2 µs", ""), ("slowed down", "5"), ("1 LOST", "no exception"))] == [None] * 3


def test_each_promise_has_figures() -> None:
    assert ".. include:: _generated/abuse.inc" in page("security")
    measured = table((DOC / "_generated" / "abuse.inc").read_text(encoding="utf-8"), "What happens")
    assert [row[0] for row in measured if row[0]] == list(figures.ROWS)
    judged = [(row, keeps(*row[3:])) for row in measured]
    assert [row for row, kept in judged if kept is False] == []
    assert sum(kept is True for _, kept in judged) > len(judged) / 2


def test_figures_are_counted_in_words() -> None:
    assert [figures.counted(number, "frame") for number in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]
    assert [figures.times(number) for number in (1, 2)] == ["once", "2 times"]


def test_what_each_limit_is_for() -> None:
    assert [row[0].strip("`") for row in table(page("security"), "Limit")] == [field.name for field in fields(Limits)]


def test_three_from_one_address_are_enough() -> None:
    [code] = [code for code in code_blocks(page("security"), "python") if "class Guest" in code]
    names: dict[str, type[net.Handler]] = {}
    exec(code, names)
    with World("socket") as world:
        server = world.server(handler=names["Guest"])
        players = [world.join(server) for _ in range(3)]
        fourth = world.connect(server)
        world.until(lambda: fourth.handler.ended)
        assert fourth.reason == (DisconnectReason.KICKED, "three players from one address are enough")
        assert all(player.connected for player in players)


# -- performance


def test_words_of_the_tables_are_explained() -> None:
    tables = "".join(path.read_text(encoding="utf-8") for path in (DOC / "_generated").glob("bench_*.inc"))
    told = {re.sub(r"A, | B|\*", "", word) for word, _ in table(page("performance"), "Word")}
    assert told == {word for word in told if re.search(rf"\b{word}\b", tables)}
    assert told >= {"over", "minus", "half lie in", "bar", "aim", "us", "by hand"}
    assert not re.search(r"\d us\b", page("performance"))


# -- what is typed in a terminal


TYPED = r"python -m pygnetic ((?:doctor|ping|demo)\b[^`\n]*?)(?:``|  |\)?$)"


def test_command_lines_are_right() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "README.rst", *PAGES)]
    lines = [line for text in texts for line in re.findall(TYPED, text, re.MULTILINE) if " " in line]
    assert len(lines) >= 7
    for line in lines:
        arguments = ["10000" if word == "PORT" else word for word in line.split()]
        if arguments[0] != "demo":  # the arena has its own
            _parser().parse_args(arguments)


def test_the_tutorial_types_what_its_pictures_show() -> None:
    shown = re.findall(r'"\$ (python [^"]*?)(?:\\n)?"', (DOC / "make_pictures.py").read_text(encoding="utf-8"))
    assert len(shown) == 2
    for line in shown:
        assert f"    {line}\n" in page("tutorial")


def test_the_examples_are_where_the_page_says() -> None:
    [command] = re.findall('^    python -c "(.*)"$', page("examples"), re.MULTILINE)
    if importlib.util.find_spec("pygnetic.examples") is None:
        pytest.skip("pygnetic is not installed")
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=50)
    assert (Path(done.stdout.strip()) / "echo_server.py").exists(), done.stderr
    [command] = re.findall(r"``python -m (pygnetic\.examples\.\w+)``", page("examples"))
    done = subprocess.run([sys.executable, "-m", command, "--help"], capture_output=True, text=True, timeout=50)
    assert "--join" in done.stdout, done.stderr


# -- the pages together


def test_every_public_name_is_on_a_page() -> None:
    text = "".join(page(f"reference/{name}") for name in ("api", "adapters", "errors", "limits"))
    modules = (net, net.client, net.connection, net.event, net.handler, net.message, net.server, errors, limits)
    for module in (*modules, net.network, net.serialization, netgraph, stats):
        for name in module.__all__:
            assert re.search(rf"\b{name}\b", text), f"{module.__name__}.{name}"


def test_every_example_is_on_a_page() -> None:
    """Whole, once: printed, or as a file to save."""
    text = "".join(path.read_text(encoding="utf-8") for path in PAGES)
    whole = re.findall(r"literalinclude:: [./]*/examples/(\w+\.py)\n(?!   :pyobject:)", text)
    whole += re.findall(r":download:`examples/\w+\.py <[./]*/examples/(\w+\.py)>`", text)
    shown = set(whole)
    assert len(whole) == len(shown)
    assert shown == {path.name for path in (ROOT / "examples").glob("*.py")} - {"__init__.py"}


def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    pytest.importorskip("furo")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(DOC), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55)
    assert done.returncode == 0, done.stderr
    for name in map(name_of, PAGES):
        assert (tmp_path / f"{name}.html").exists()


def test_code_scrolls_and_what_is_printed_wraps() -> None:
    """A line of code that goes on in column 0 looks like a line of its own."""
    css = (DOC / "_static" / "wrap.css").read_text(encoding="utf-8")
    assert re.findall(r"div\.highlight-(\w+) pre", css) == ["none"]
    for path in PAGES:
        code = re.findall(r"literalinclude:: (\S+)\n((?: +:.*\n)*)", path.read_text(encoding="utf-8"))
        for name, options in code:
            assert (":language: none" in options) == name.endswith(".txt"), f"{path}: {name}"
