"""``python -m pygnetic doctor``: what is installed, what works here, and what to tell a friend who wants to join.

Everything here yields lines of text; :mod:`pygnetic.__main__` prints them.
"""

import contextlib
import errno
import importlib.util
import ipaddress
import os
import platform
import socket
import sys
from collections.abc import Callable, Generator
from importlib import metadata
from typing import Any

from pygnetic import network, serialization
from pygnetic._core.registry import Unusable
from pygnetic.network import base

__all__: list[str] = []

WELL, ILL = range(2)  # the exit codes

_PYGAMES = "pygame-ce", "pygame"
# Documentation addresses (RFC 5737, RFC 3849): connecting a UDP socket sends nothing, it only picks our own address.
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
_LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
_RESOLVE_TIME = 1.0
_ANSWER_TIME = 1.0  # seconds; what answers is on this computer
_KINDS = {"UDP": socket.SOCK_DGRAM, "TCP": socket.SOCK_STREAM}

Lines = Generator[str, None, int]
Asks = Callable[[str, str, int, float], bool]  # (adapter, host, port, seconds): does a server answer?


def _version(*packages: str) -> str:
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            return f"{package} {metadata.version(package)}"
    return ""


def _adapters(module: Any) -> tuple[list[str], list[str], list[str]]:
    """Return a line for each adapter of a kind, the names of those that work, and what is wrong with others."""
    lines, usable, ills = [], [], []
    for name, record in module.registry.records.items():
        try:
            module.registry.load(name)
        except Unusable as error:
            lines.append(f"  {name:8} no     {record.purpose}: {error.cure}")
            if error.broken:
                ills.append(f"the {name} adapter does not load")
        else:
            usable.append(name)
            told = "; ".join(filter(None, (record.purpose, _version(*record.packages))))
            lines.append(f"  {name:8} yes    {told}")
    return lines, usable, ills


def _pygame() -> tuple[list[str], bool]:
    found = [text for text in map(_version, _PYGAMES) if text]
    if len(found) > 1:
        return [
            f"  {' and '.join(found)}: they overwrite each other. Choose one:",
            "  pip uninstall pygame pygame-ce, then pip install pygame-ce",
        ], False
    if found:
        return [f"  {found[0]}"], True
    if importlib.util.find_spec("pygame"):
        return ["  a pygame that pip does not know of"], True
    return ["  none; only windows and events need it: pip install pygame-ce"], True


def _bind(family: int, kind: int, port: int) -> OSError | None:
    """Return why a port cannot be listened on, as a server with host '' would."""
    try:
        with socket.socket(family, kind) as sock:
            if kind == socket.SOCK_STREAM and os.name == "posix":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(("", port))
            if kind == socket.SOCK_STREAM:
                sock.listen(1)
    except OSError as error:
        if family == socket.AF_INET:
            return base.listen_error(("", port), error)
        if error.errno == errno.EADDRINUSE:  # anything else: there is no IPv6 here, and a server does without
            return base.listen_error(("::", port), error)
    return None


_RUNS = "a pygnetic server answers on it"
_RUNS_ON_IPV6 = f"{_RUNS}, over IPv6 only"


def _port(adapter: str, port: int, own: list[str], asks: Asks) -> tuple[str, str]:
    """Return how it is with a port, and what is wrong with it, if anything."""
    record = network.records[adapter]
    protocol, kind = record.protocol, _KINDS[record.protocol]
    for family in _LOOPBACK if record.ipv6 else (socket.AF_INET,):
        if error := _bind(family, kind, port):
            break
    else:
        return "the port is free", ""
    told = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        runs = _RUNS if family == socket.AF_INET else _RUNS_ON_IPV6
        outside = [text for text in own if (":" in text) == (family == socket.AF_INET6)]
        here = asks(adapter, _LOOPBACK[family], port, _ANSWER_TIME)
        if any(asks(adapter, text, port, _ANSWER_TIME) for text in outside) or (here and not outside):
            return runs, ""
        if here:
            told = f"{runs}, but to this computer only: make it a Server(port={port}), without a host"
            return told, f"the server on {protocol} port {port} hears this computer only"
        told = "a program uses the port and does not answer: a server that does not call update(), or another program"
    return told, f"{protocol} port {port} cannot be used"


def addresses() -> list[str]:
    """Return this computer's addresses in its networks, the usual one first."""
    found: list[str] = []
    for family, other in _ELSEWHERE:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((other, 9))
            found.append(sock.getsockname()[0])
    with contextlib.suppress(OSError):
        answers = base.resolve(socket.gethostname(), 9, _RESOLVE_TIME, kind=socket.SOCK_DGRAM)
        found += [address[0] for _, address in answers]
    kept = []
    for text in dict.fromkeys(found):
        address = ipaddress.ip_address(text.partition("%")[0])
        if not (address.is_loopback or address.is_link_local or address.is_unspecified):
            kept.append(text)
    return sorted(kept, key=lambda text: ":" in text)


def doctor(version: str, port: int, asks: Asks) -> Lines:
    """Look at everything.

    :param version: pygnetic's.
    :param port: the port that a server will use; it is tried.
    :param asks: tells whether a server answers; whoever looks for an address has often started the server already.
    """
    ills: list[str] = []
    yield f"pygnetic {version}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield f"  {os.path.dirname(__file__)}"
    yield f"  {sys.executable}"
    usable: dict[Any, list[str]] = {}
    for title, module in (("Network adapters", network), ("Serialization adapters", serialization)):
        lines, usable[module], broken = _adapters(module)
        ills += broken
        yield f"\n{title}"
        yield from lines
    yield "\nWindow and events (pygame)"
    lines, good = _pygame()
    yield from lines
    if not good:
        ills.append("pygame and pygame-ce are both installed")
    own = addresses()
    yield f"\nA server on port {port}"
    running = {}
    for adapter, record in network.records.items():
        if not record.protocol:
            continue
        text, ill = _port(adapter, port, own, asks)
        yield f"  {record.protocol}  {'no ' if ill else 'yes'}    {text}"
        if ill:
            ills.append(ill)
        elif text in (_RUNS, _RUNS_ON_IPV6):
            running[adapter] = text
    yield "\nThis computer in its networks"
    yield from (f"  {text}{'   (IPv6: socket adapter only)' if ':' in text else ''}" for text in own)
    if not own:
        yield "  it is in none; only programs on this computer can meet"
    yield "\nTell your friend"
    yield from _advice(usable[network], usable[serialization], own, port, running)
    yield "\n" + ("Something is wrong: " + "; ".join(ills) if ills else "All is well.")
    return ILL if ills else WELL


def _advice(
    networks: list[str], serializers: list[str], own: list[str], port: int, running: dict[str, str]
) -> Generator[str, None, None]:
    on_ipv6 = running == {"socket": _RUNS_ON_IPV6}
    if on_ipv6:
        own = [text for text in own if ":" in text]
    here = own[0] if own else ""  # an IPv6 one only where there is no other
    why = ""
    adapter = "enet"
    if "enet" not in networks:
        adapter, why = "socket", "I have no ENet here"
    elif on_ipv6:
        adapter, why = "socket", "My server is on IPv6, which ENet does not know"
    elif ":" in here:
        adapter, why = "socket", "I have IPv6 only, which ENet does not know"
    elif list(running) == ["socket"]:
        adapter, why = "socket", "My server is on TCP"
    protocol = network.records[adapter].protocol
    what = "runs" if running else f"is Server(port={port})"
    yield f"  The server {what}; it listens on {protocol}, by the {adapter} adapter."
    if here:
        yield f"  In the same house or school: connect('{here}', {port})"
        yield f"  From elsewhere: my router must forward {protocol} port {port} to {here}, and you connect to the"
        yield "  router's own address, which any 'what is my address' page shows me."
        yield f"  If you cannot join: python -m pygnetic ping {here} {port}"
    else:
        yield f"  On this computer: connect('{'::1' if on_ipv6 else 'localhost'}', {port})"
    if why:
        yield f"  {why}, so both of us need n_module='socket' in init()."
    if "msgpack" not in serializers and "msgspec" not in serializers:
        yield "  I have no MessagePack here, so both of us need s_module='json' in init()."
