"""``python -m pygnetic``: doctor and ping are right in each case that a player meets, and nobody sees a traceback."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from programs import free_port

import pygnetic as net
from pygnetic import __main__, network
from pygnetic.__main__ import main
from pygnetic._cli import demo, doctor, line, ping
from pygnetic.message import MessageFactory

LOCAL = "127.0.0.1"
QUICK = ["--timeout", "10", "--interval", "0"]  # nobody waits for the timeout where answers come, or refusals


class Serving:
    """A server that a thread of its own updates."""

    def __init__(self, adapter: str, *, host: str = LOCAL, port: int = 0, conn_limit: int = 4, guests: int = 0) -> None:
        factory = MessageFactory("json")
        factory.register("chat_msg", ("player", "msg"))
        factory.register("move", ("x", "y"), reliable=False)
        self.server = net.Server(host, port, conn_limit, message_factory=factory, n_adapter=adapter)
        self.port = str(self.server.address[1])
        self.clients = [net.Client(message_factory=factory, n_adapter=adapter) for _ in range(guests)]
        for client in self.clients:
            connection = client.connect(*self.server.address)
            while not connection.connected:
                client.update(1)
                self.server.update(1)
        self._going = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while self._going:
            self.server.update(5)

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._going = False
        self._thread.join()
        for client in self.clients:
            client.close()
        self.server.close()


@pytest.fixture
def no_enet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make Python believe that there is no module enet."""
    monkeypatch.setitem(sys.modules, "enet", None)
    monkeypatch.delitem(sys.modules, "pygnetic.network.enet_adapter", raising=False)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[Any, str]:
    """Run a command line here; return the exit code and what was printed."""
    capsys.readouterr()
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as error:  # argparse
        code = error.code
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def have_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


# -- ping


def test_ping_when_all_is_well(capsys: pytest.CaptureFixture[str], wire_name: str) -> None:
    with Serving(wire_name) as there:
        code, text = run(capsys, "ping", LOCAL, there.port, "--count", 3, *QUICK)
    assert code == ping.ANSWERED
    title = {"enet": "UDP (enet)", "socket": "TCP (socket)"}[wire_name]
    assert len(re.findall(rf"^{re.escape(title)}: number \d: [\d.]+ ms$", text, re.M)) == 3
    told = rf"^{re.escape(title)}: 3 sent, 3 came back, 0% lost; round trip min/avg/max = (.*) ms$"
    times = re.search(told, text, re.M)
    assert times
    low, mean, high = map(float, times[1].split("/"))
    assert 0 < low <= mean <= high < 5000
    assert f"it is on the {wire_name} adapter" in text


def test_ping_when_the_server_is_on_tcp_only(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("enet")
    with Serving("socket") as there:
        code, text = run(capsys, "ping", LOCAL, there.port, "--count", 1, *QUICK)
        assert code == ping.ANSWERED
        assert "The server answers over TCP but not over UDP: it is on the socket adapter." in text
        assert "n_module='socket'" in text
        code, text = run(capsys, "ping", LOCAL, there.port, "--adapter", "enet", "--count", 1, *QUICK)
        assert code == ping.SILENT
        assert f"{LOCAL} is there, but nobody listens on UDP port {there.port}." in text
        assert "TCP was not tried (--adapter enet): a server on the socket adapter cannot be seen so." in text
        assert "no server on port" not in text


def test_ping_when_the_port_is_closed(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("enet")  # see test_ping_without_enet
    port = free_port()
    code, text = run(capsys, "ping", LOCAL, port, *QUICK)
    assert code == ping.SILENT
    assert f"socket: no answer: that computer says that nobody listens on TCP port {port}" in text
    assert f"{LOCAL} is there, but there is no server on port {port}. Is it running?" in text


def test_ping_when_nothing_comes_back(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # what a firewall that drops looks like: no answer, and the system knows nothing either
    monkeypatch.setattr(ping.Knock, "udp_refused", lambda self: False)
    monkeypatch.setattr(ping.Knock, "tcp_refused", lambda self: False)
    code, text = run(capsys, "ping", LOCAL, free_port(), "--timeout", 0.05)
    assert code == ping.SILENT
    assert "Nothing came back from 127.0.0.1. One of these:" in text
    assert "firewall" in text and "router" in text and "update()" in text


def test_ping_when_only_udp_is_silent(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A firewall that drops what it does not know, behind which the computer itself says no to TCP."""
    pytest.importorskip("enet")
    monkeypatch.setattr(ping.Knock, "udp_refused", lambda self: False)
    port = free_port()
    code, text = run(capsys, "ping", LOCAL, port, "--timeout", 0.05)
    assert code == ping.SILENT
    assert f"{LOCAL} is there, but nobody listens on TCP, and over UDP nothing came back.\nOne of these:\n" in text
    assert "firewall" in text and "update()" in text
    assert "no server on port" not in text


def test_ping_when_another_program_has_the_port(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((LOCAL, 0)) as web_server:  # it accepts, and says nothing
        port = web_server.getsockname()[1]
        code, text = run(capsys, "ping", LOCAL, port, "--timeout", 0.1)
    assert code == ping.SILENT
    assert "something accepts connections there but does not answer" in text
    assert f"Port {port} of {LOCAL} is in use, but no pygnetic server answers." in text


def test_ping_without_enet(capsys: pytest.CaptureFixture[str], no_enet: None) -> None:
    with Serving("socket") as there:
        code, text = run(capsys, "ping", LOCAL, there.port, "--count", 1, *QUICK)
    assert code == ping.ANSWERED
    assert "enet: not tried: the enet adapter needs a library that is not installed: pip install pyenet-vladfi" in text
    assert "The server answers over TCP: it is on the socket adapter." in text
    port = free_port()
    code, text = run(capsys, "ping", LOCAL, port, *QUICK)
    assert code == ping.SILENT
    assert f"socket: no answer: that computer says that nobody listens on TCP port {port}" in text
    assert f"{LOCAL} is there, but nobody listens on TCP port {port}." in text
    assert "a server on the enet adapter cannot be seen from here" in text
    code, text = run(capsys, "ping", LOCAL, free_port(), "--adapter", "enet", *QUICK)
    assert code == ping.WRONG
    assert "pip install pyenet-vladfi" in text


@pytest.mark.skipif(not have_ipv6(), reason="no IPv6 here")
def test_ping_over_ipv6(capsys: pytest.CaptureFixture[str]) -> None:
    with Serving("socket", host="::1") as there:
        code, text = run(capsys, "ping", "::1", there.port, "--count", 2, *QUICK)
    assert code == ping.ANSWERED
    assert "TCP (socket): 2 sent, 2 came back" in text
    if "pip install" not in text:
        assert "enet: not tried: ENet knows IPv4 only, and ::1 has no IPv4 address" in text


@pytest.mark.parametrize("adapter", [[], ["--adapter", "socket"]])
def test_ping_when_the_name_does_not_resolve(capsys: pytest.CaptureFixture[str], adapter: list[str]) -> None:
    code, text = run(capsys, "ping", "no-such-host.invalid", 10000, *adapter)
    assert code == ping.WRONG
    assert len(text.splitlines()) == 1
    assert text.startswith("host 'no-such-host.invalid'") and "is its name right?" in text


def test_ping_tells_what_the_last_adapter_found(capsys: pytest.CaptureFixture[str]) -> None:
    """A zone that does not exist: not ENet, which knows no IPv6 at all, says what is wrong with it."""
    code, text = run(capsys, "ping", "::1%nowhere", 10000)
    assert code == ping.WRONG
    assert len(text.splitlines()) == 1
    assert text.startswith("host '::1%nowhere' does not resolve")
    if importlib.util.find_spec("enet"):
        code, text = run(capsys, "ping", "--adapter", "enet", "::1%nowhere", 10000)
        assert code == ping.WRONG
        assert "the socket adapter knows both" in text


def test_ping_goes_on_when_the_server_drops_who_says_no_hello(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, wire_name: str
) -> None:
    monkeypatch.setattr(line, "_AGE", 0.0)  # connects anew for each PING
    with Serving(wire_name) as there:
        code, text = run(capsys, "ping", LOCAL, there.port, "--adapter", wire_name, "--count", 4, *QUICK)
    assert code == ping.ANSWERED
    assert "4 sent, 4 came back" in text


def test_hello_shows_the_messages(
    capsys: pytest.CaptureFixture[str], wire_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "pygnetic")
    with Serving(wire_name) as there:
        code, text = run(capsys, "ping", LOCAL, there.port, "--hello", "--count", 1, *QUICK)
        assert there.server.connections() == [], "nobody came in"
    assert code == ping.ANSWERED
    assert "The server packs with json and has these messages, in this order:" in text
    assert "  1 chat_msg(player, msg)\n  2 move(x, y) unreliable\n" in text
    assert "It is not full." in text
    # whoever looks at the server sees that nothing is wrong
    [told] = [record.message for record in caplog.records if LOCAL in record.message]
    assert re.fullmatch(rf"told {re.escape(LOCAL)}:\d+ which messages there are \(ping\)", told)


def test_hello_says_that_the_server_is_full(capsys: pytest.CaptureFixture[str], wire_name: str) -> None:
    with Serving(wire_name, conn_limit=1, guests=1) as there:
        code, text = run(capsys, "ping", LOCAL, there.port, "--hello", "--count", 1, *QUICK)
        assert code == ping.REFUSING
        assert "1 chat_msg(player, msg)" in text
        assert "Now it refuses everybody (SERVER_FULL): the server takes 1 client (conn_limit)." in text
        code, text = run(capsys, "ping", LOCAL, there.port, "--count", 1, *QUICK)
        assert code == ping.REFUSING, "unasked, and though a PING is answered all the same"
        assert "1 sent, 1 came back" in text and "It is full." in text
        assert "chat_msg" not in text and "With --hello I show which messages it expects" in text


def test_ping_with_a_file_compares_its_messages(
    capsys: pytest.CaptureFixture[str], wire_name: str, tmp_path: Path
) -> None:
    (tmp_path / "names.py").write_text("CHAT = 'chat_msg'\n")
    right = "from pygnetic.message import MessageFactory as F\nimport names\nfactory = F('json')\n"
    right += "factory.register(names.CHAT, 'player msg')\nfactory.register('move', 'x y', reliable=False)\n"
    right += "if __name__ == '__main__': raise SystemExit('the game begins')\n"
    (tmp_path / "mine.py").write_text(right)
    (tmp_path / "other.py").write_text(right.replace("'x y'", "'x y z'"))
    with Serving(wire_name) as there:
        ask = ["ping", LOCAL, there.port, "--adapter", wire_name, "--count", 1, *QUICK, "--with"]
        code, text = run(capsys, *ask, tmp_path / "mine.py")
        assert code == ping.ANSWERED
        assert text.endswith("Your messages are the server's.\nIt is not full.\n")
        code, text = run(capsys, *ask, tmp_path / "other.py")
        assert code == ping.REFUSING
        differs = "message 2 differs: server: move(x, y) unreliable; client: move(x, y, z) unreliable; "
        assert f"It would refuse your messages (SCHEMA_MISMATCH): {differs}" in text
        assert text.endswith("It is not full.\n")
        assert there.server.connections() == [], "nobody came in"
    assert str(tmp_path) not in sys.path


def test_ping_with_a_file_that_registers_by_the_default(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "messages.py"
    path.write_text("import pygnetic as net\nnet.init(logging_lvl=None, s_module='json')\nnet.register('hi', 'x')\n")
    with Serving("socket") as there:
        code, text = run(capsys, "ping", LOCAL, there.port, "--count", 1, *QUICK, "--with", path)
    assert code == ping.REFUSING
    assert "message 1 differs: server: chat_msg(player, msg); client: update_remoteobject(" in text


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (None, "cannot be read: "),
        ("x = (", "cannot be read: '(' was never closed"),
        ("import pygnetic as net\n\nnet.register('class')", "line 3: ValueError: register('class', ...)"),
        ("import sys\nsys.exit('no display')", "line 2: SystemExit: no display"),
        ("import no_such_thing", "line 1: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("", "it registers no messages; name the file that registers the server's"),
        ("from pygnetic.message import MessageFactory as F\na, b = F(), F()", "it has 2 MessageFactories of its own"),
    ],
)
def test_ping_with_a_file_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, source: str | None, said: str
) -> None:
    path = tmp_path / "messages.py"
    if source is not None:
        path.write_text(source)
    code, text = run(capsys, "ping", LOCAL, free_port(), "--with", path)
    assert code == 2
    last = text.splitlines()[-1]
    assert str(path) in last and said in last and "Traceback" not in text


def test_hello_to_another_version(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    old = ping.packets.hello(0, "")
    newer = bytes((*old[:2], old[2] + 1, *old[3:]))
    monkeypatch.setattr(ping.packets, "hello", lambda *args: newer)
    with Serving("socket") as there:
        code, text = run(capsys, "ping", LOCAL, there.port, "--hello", "--count", 1, *QUICK)
    assert code == ping.REFUSING
    assert "The server refuses: VERSION_MISMATCH: server: protocol 1; client: protocol 2" in text


# -- doctor


def test_doctor_when_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    code, text = run(capsys, "doctor", "--port", port)
    assert code == doctor.WELL
    assert f"pygnetic {net.__version__}, Python {sys.version.split()[0]}" in text
    for name in ("socket", "memory", "json"):
        assert re.search(rf"^  {name} +yes ", text, re.M)
    assert f"Server(port={port})" in text
    assert text.count("the port is free") == 2
    assert text.endswith("All is well.\n")
    if network.get_adapter(["enet", "socket"]).__name__.endswith("enet_adapter"):
        assert re.search("^  enet +yes    UDP, the default; pyenet", text, re.M)
        assert f"forward UDP port {port}" in text


def test_doctor_without_enet(capsys: pytest.CaptureFixture[str], no_enet: None) -> None:
    code, text = run(capsys, "doctor", "--port", free_port())
    assert code == doctor.WELL
    assert re.search(r"^  enet +no .*pip install pyenet-vladfi$", text, re.M)
    assert "it listens on TCP, by the socket adapter" in text
    assert "both of us need n_module='socket'" in text


def test_doctor_without_messagepack(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("msgpack", "msgspec"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, f"pygnetic.serialization.{name}_adapter", raising=False)
    code, text = run(capsys, "doctor", "--port", free_port())
    assert code == doctor.WELL
    assert re.search(r"^  msgpack +no .*pip install msgpack$", text, re.M)
    assert "both of us need s_module='json'" in text


@pytest.mark.parametrize(
    ("package", "name", "library"),
    [("network", "enet", "enet"), ("serialization", "msgpack", "msgpack"), ("serialization", "msgspec", "msgspec")],
)
def test_doctor_when_a_library_does_not_load(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str, name: str,
    library: str,
) -> None:  # fmt: skip
    (tmp_path / f"{library}.py").write_text("raise ImportError('DLL load failed while importing _core')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, library, raising=False)
    monkeypatch.delitem(sys.modules, f"pygnetic.{package}.{name}_adapter", raising=False)
    code, text = run(capsys, "doctor", "--port", free_port())
    assert code == doctor.ILL
    told = "there, but does not load: DLL load failed while importing _core"
    assert re.search(rf"^  {name} +no     .*: {told}$", text, re.M)
    assert f"Something is wrong: the {name} adapter does not load" in text


def test_doctor_when_a_module_of_ours_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pygnetic.network.enet_adapter", None)
    code, text = run(capsys, "doctor", "--port", free_port())
    assert code == doctor.ILL
    assert re.search(r"^  enet +no     .*: pygnetic.network.enet_adapter, a part of pygnetic, is missing", text, re.M)


def test_doctor_when_the_port_is_taken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_ANSWER_TIME", 0.1)  # no server answers there
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        code, text = run(capsys, "doctor", "--port", port)
    assert code == doctor.ILL
    assert "TCP  no     a program uses the port and does not answer: a server that does not call update(), or" in text
    assert "Something is wrong: " in text and f"TCP port {port} cannot be used" in text


def test_doctor_when_your_server_runs(
    capsys: pytest.CaptureFixture[str], wire_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for the address while the server runs has done nothing wrong."""
    monkeypatch.setattr(doctor, "addresses", lambda: [LOCAL])  # nothing is sent elsewhere
    protocol, other = {"enet": ("UDP", "TCP"), "socket": ("TCP", "UDP")}[wire_name]
    with Serving(wire_name, host="", port=free_port()) as there:
        code, text = run(capsys, "doctor", "--port", there.port)
    assert code == doctor.WELL
    assert f"  {protocol}  yes    a pygnetic server answers on it\n" in text
    assert f"  {other}  yes    the port is free\n" in text
    assert f"The server runs; it listens on {protocol}, by the {wire_name} adapter." in text
    assert ("both of us need n_module='socket' in init()" in text) == (wire_name == "socket")
    assert text.endswith("All is well.\n")


def test_doctor_when_your_server_hears_this_computer_only(
    capsys: pytest.CaptureFixture[str], wire_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "addresses", lambda: ["127.0.0.2"])
    ask = ping.answers
    patience = {LOCAL: 10.0, "127.0.0.2": 0.1}  # nobody needs to wait where nobody can answer
    monkeypatch.setattr(ping, "answers", lambda name, host, port, _: ask(name, host, port, patience[host]))
    protocol = {"enet": "UDP", "socket": "TCP"}[wire_name]
    with Serving(wire_name) as there:
        code, text = run(capsys, "doctor", "--port", there.port)
    assert code == doctor.ILL
    told = f"{protocol}  no     a pygnetic server answers on it, but to this computer only: make it a Server(port="
    assert told in text
    assert f"Something is wrong: the server on {protocol} port {there.port} hears this computer only" in text


def test_doctor_when_your_server_is_on_one_address(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "addresses", lambda: [LOCAL])
    monkeypatch.setattr(ping, "answers", lambda name, host, port, _: (name, host) == ("socket", LOCAL))
    monkeypatch.setattr(doctor, "_LOOPBACK", {**doctor._LOOPBACK, socket.AF_INET: "127.0.0.9"})
    with Serving("socket") as there:
        code, text = run(capsys, "doctor", "--port", there.port)
    assert code == doctor.WELL
    assert "  TCP  yes    a pygnetic server answers on it\n" in text


@pytest.mark.skipif(not have_ipv6(), reason="no IPv6 here")
@pytest.mark.parametrize("own", [["192.168.1.7", "::1"], ["192.168.1.7"]])
def test_doctor_when_your_server_is_on_ipv6(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, own: list[str]
) -> None:
    monkeypatch.setattr(doctor, "addresses", lambda: own)
    with Serving("socket", host="::", port=free_port()) as there:
        code, text = run(capsys, "doctor", "--port", there.port)
    assert code == doctor.WELL
    assert "  TCP  yes    a pygnetic server answers on it, over IPv6 only\n" in text
    assert "  UDP  yes    the port is free\n" in text
    assert "The server runs; it listens on TCP, by the socket adapter." in text
    assert f"connect('::1', {there.port})" in text and "connect('192.168.1.7'" not in text
    assert "both of us need n_module='socket' in init()" in text


@pytest.mark.skipif(not have_ipv6(), reason="no IPv6 here")
def test_doctor_when_your_server_is_on_ipv6_and_hears_this_computer_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "addresses", lambda: ["192.168.1.7", "fd00::9"])
    ask = ping.answers
    monkeypatch.setattr(ping, "answers", lambda *args: args[1] == "::1" and ask(*args))
    with Serving("socket", host="::1", port=free_port()) as there:
        code, text = run(capsys, "doctor", "--port", there.port)
    assert code == doctor.ILL
    assert "  TCP  no     a pygnetic server answers on it, over IPv6 only, but to this computer only: make it a" in text
    assert f"the server on TCP port {there.port} hears this computer only" in text


@pytest.mark.skipif(not have_ipv6(), reason="no IPv6 here")
def test_doctor_when_another_program_has_the_port_of_ipv6(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then a Server(port=...), which listens on both, cannot listen either."""
    monkeypatch.setattr(doctor, "addresses", list)
    monkeypatch.setattr(doctor, "_ANSWER_TIME", 0.1)
    with socket.create_server(("::", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
        code, text = run(capsys, "doctor", "--port", port)
    assert code == doctor.ILL
    assert "  TCP  no     a program uses the port and does not answer: " in text


def test_doctor_when_your_server_hangs(
    capsys: pytest.CaptureFixture[str], wire_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_ANSWER_TIME", 0.1)  # no server answers there
    monkeypatch.setattr(doctor, "addresses", lambda: [LOCAL])
    protocol = {"enet": "UDP", "socket": "TCP"}[wire_name]
    with net.Server("", free_port(), message_factory=MessageFactory("json"), n_adapter=wire_name) as server:
        code, text = run(capsys, "doctor", "--port", server.address[1])
    assert code == doctor.ILL
    assert f"  {protocol}  no     a program uses the port and does not answer: a server that does not call up" in text
    assert "another copy" not in text


@pytest.mark.parametrize(
    ("installed", "said"),
    [
        ({"pygame": "2.6.1", "pygame-ce": "2.5.5"}, "they overwrite each other"),
        ({"pygame-ce": "2.5.5"}, "  pygame-ce 2.5.5\n"),
        ({"pygame": "2.6.1"}, "  pygame 2.6.1\n"),
        ({}, "pip install pygame-ce"),
    ],
)
def test_doctor_knows_both_pygames(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, installed: dict[str, str], said: str
) -> None:
    def version(package: str) -> str:
        if package not in installed:
            raise doctor.metadata.PackageNotFoundError
        return installed[package]

    monkeypatch.setattr(doctor.metadata, "version", version)
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    code, text = run(capsys, "doctor", "--port", free_port())
    assert said in text
    assert code == (doctor.ILL if len(installed) == 2 else doctor.WELL)


def test_doctor_without_any_network(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "addresses", list)
    code, text = run(capsys, "doctor", "--port", free_port())
    assert code == doctor.WELL
    assert "only programs on this computer can meet" in text
    assert re.search(r"^  On this computer: connect\('localhost', \d+\)$", text, re.M)
    assert "router" not in text and "same house" not in text


def test_doctor_where_there_is_ipv6_only(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "addresses", lambda: ["fd00::2"])
    code, text = run(capsys, "doctor", "--port", free_port())
    assert code == doctor.WELL
    assert "it listens on TCP, by the socket adapter" in text
    assert "connect('fd00::2', " in text and "127.0.0.1" not in text
    assert "both of us need n_module='socket' in init()" in text


def test_addresses_are_numbers_that_others_can_reach() -> None:
    for text in doctor.addresses():
        assert not text.startswith(("127.", "::1", "fe80", "169.254."))


# -- demo


def test_demo_finds_the_arena() -> None:
    path = demo.find()
    assert path is not None
    assert "Arena: steer your square" in path.read_text(encoding="utf-8")


def test_demo_says_where_the_arena_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find", lambda: None)
    assert "It is in the wheel, and in the folder examples/" in main(["demo"])


def test_demo_without_pygame(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A window needs it, a server does not."""
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setitem(sys.modules, "pygame", None)
    for arguments in ([], ["--join", LOCAL], ["--bots", "0"]):
        assert main(["demo", *arguments]) == "the arena's window needs pygame: pip install pygame-ce (or pygame)"
    assert main(["demo", "--server-only", "--host", LOCAL, "--port", "0", "--seconds", "0.1"]) is None
    assert "the server listens at" in capsys.readouterr().out


# -- the command line itself


def program(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    environment = {**os.environ, "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy", "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = str(Path(net.__file__).parent.parent)
    command = [sys.executable, "-m", "pygnetic", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env=environment, **pipes, **options)


def test_demo_really_plays() -> None:
    pytest.importorskip("pygame")
    arguments = ["--host", LOCAL, "--port", "0", "--bots", "1", "--seconds", "2"]  # a busy machine starts a bot slowly
    with program("demo", *arguments) as arena:
        text, _ = arena.communicate(timeout=50)
    assert arena.returncode == 0, text
    assert "2 players" in text


def test_ping_in_a_process_of_its_own(wire_name: str) -> None:
    with Serving(wire_name) as there, program("ping", LOCAL, there.port, "--count", "1") as ping:
        text, _ = ping.communicate(timeout=50)
    assert ping.returncode == 0
    assert "1 sent, 1 came back, 0% lost" in text


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
def test_ctrl_c(wire_name: str) -> None:
    with Serving(wire_name) as there, program("ping", LOCAL, there.port, "--count", "1000000") as ping:
        assert ping.stdout is not None
        for line in ping.stdout:
            if "number 2:" in line:
                ping.send_signal(signal.SIGINT)
                break
        rest = ping.stdout.read()
    assert ping.wait(50) == 130
    assert rest.endswith("\nended by Ctrl-C\n")
    assert "Traceback" not in rest
    told = r": (\d+) sent, \1 came back, 0% lost; round trip min/avg/max = [\d./]+ ms$"
    assert len(re.findall(told, rest, re.M)) == 1


def test_ctrl_c_while_a_line_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not inside of ping, which must have its last word all the same; and before there is anything to say."""

    def interrupt_after(wanted: str) -> None:
        def printing(text: str, **options: Any) -> None:
            print(text, **options)
            if wanted in text:
                raise KeyboardInterrupt

        monkeypatch.setattr(__main__, "print", printing, raising=False)

    with Serving("socket") as there:
        for line, told in (("number 2:", ["2 sent"]), ("number 5:", ["5 sent"]), ("5 sent", ["5 sent"]), ("PING", [])):
            interrupt_after(line)
            code, text = run(capsys, "ping", LOCAL, there.port, "--adapter", "socket", *QUICK)
            assert code == 130
            assert re.findall(r"\d sent", text) == told
            assert text.endswith("\nended by Ctrl-C\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("", "the following arguments are required: doctor, ping or demo"),
        ("pong", "invalid choice: 'pong'"),
        ("ping localhost", "the following arguments are required: PORT"),
        ("ping localhost 70000", "'70000' is not a port; that is a number from 1 to 65535"),
        ("ping localhost 80.5", "'80.5' is not a port"),
        ("ping localhost:10000", "'localhost:10000' is not a host; give the port by itself: 'localhost', 10000"),
        ("ping localhost:10000 10000", "give the port by itself"),
        ("ping http://localhost 10000", "'http://localhost': write the host without http://"),
        ("ping HTTPS://localhost:10000/ 10000", "write the host without HTTPS://"),
        ("ping 10000 localhost", "'localhost' is not a port"),
        ("ping localhost 10000 --count 0", "'0' is not a count; that is a number from 1 to 1000000"),
        ("ping localhost 10000 --timeout soon", "'soon' is not a time"),
        ("ping localhost 10000 --adapter pigeon", "invalid choice: 'pigeon'"),
        ("doctor --port x", "'x' is not a port"),
    ],
)
def test_mistakes(capsys: pytest.CaptureFixture[str], arguments: str, said: str) -> None:
    code, text = run(capsys, *arguments.split())
    assert code == 2
    assert said in text


def test_without_arguments_it_says_what_it_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    _, text = run(capsys)
    assert "doctor              what is installed" in text and "exit codes" in text
    assert text.endswith("error: the following arguments are required: doctor, ping or demo\n")
    assert text.count("usage:") == 1


@pytest.mark.parametrize("arguments", ["--help", "doctor --help", "ping --help"])
def test_help_has_examples_and_exit_codes(capsys: pytest.CaptureFixture[str], arguments: str) -> None:
    code, text = run(capsys, *arguments.split())
    assert code == 0
    assert "example" in text and "python -m pygnetic" in text and "exit codes" in text


def test_help_of_the_demo(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    code, text = run(capsys, "demo", "--help")
    assert code == 0
    assert "usage: python -m pygnetic demo" in text and "--join HOST" in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"pygnetic {net.__version__}\n")
