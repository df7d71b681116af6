"""``python -m pygnetic ping``: does a server answer, over which adapter, how fast, and if not, why not.

Everything here yields lines of text; :mod:`pygnetic.__main__` prints them.
"""

import contextlib
import socket
from collections.abc import Collection, Generator

from pygnetic import network
from pygnetic._cli.line import Knock, Line
from pygnetic._core import packets
from pygnetic._help.differences import difference
from pygnetic.errors import DisconnectReason
from pygnetic.limits import DEFAULT
from pygnetic.network import base

__all__: list[str] = []

ANSWERED, SILENT, WRONG, REFUSING = range(4)  # the exit codes

_LISTED = 200  # lines of a stranger's description
_PROTOCOLS = {name: record.protocol for name, record in network.records.items()}
_NO_WORD = "no answer, and no word why"

Lines = Generator[str, None, int]


def answers(adapter: str, host: str, port: int, timeout: float) -> bool:
    """Return True if a server answers a PING over an adapter."""
    try:
        line = Line(adapter, host, port)
    except (ImportError, OSError):
        return False
    try:
        return line.ping(timeout) is not None
    finally:
        line.adapter.close()


def ping(
    host: str,
    port: int,
    adapters: Collection[str],
    count: int,
    interval: float,
    timeout: float,
    listed: bool = False,
    mine: str = "",
) -> Lines:
    """Ask a server whether it is there.

    :param count: how many PINGs to send over each adapter that answers.
    :param interval: seconds between two of them.
    :param timeout: seconds to wait for an answer.
    :param listed: show also which messages the server has.
    :param mine: the description of messages to compare with the server's.
    """
    lines: list[Line] = []
    knock = Knock(host, port)
    trouble: dict[str, str] = {}
    try:
        for name in adapters:
            try:
                lines.append(Line(name, host, port))
            except ImportError as error:
                trouble[name] = f"not tried: {error}"
            except OSError as error:
                # the socket adapter, which knows both, is better at telling what is wrong with an address
                if name == "enet" and ("socket" in adapters or _resolves(host, port)):
                    trouble[name] = f"not tried: ENet knows IPv4 only, and {host} has no IPv4 address"
                else:
                    yield error.strerror or str(error)
                    return WRONG
        if not lines:
            yield from (f"{name}: {text}" for name, text in trouble.items())
            return WRONG
        where = " and ".join(line.title for line in lines)
        yield f"PING {host} port {port} over {where}"
        answering = _who_answers(lines, knock, timeout)
        for line in answering:
            yield from _series(line, count, interval, timeout)
        for line in lines:
            if line not in answering:
                trouble[line.name] = _silence(line, knock)
        yield from (f"{name}: {text}" for name, text in trouble.items())
        yield ""
        yield from _verdict(host, port, [line.name for line in answering], trouble, knock)
        if not answering:
            return SILENT
        codes = []
        for line in answering:
            yield ""
            if len(answering) > 1:
                yield f"{line.title}:"
            codes.append((yield from _interview(line, timeout, listed, mine)))
        if not (listed or mine):
            yield "With --hello I show which messages it expects, with --with FILE how they differ from yours."
        return max(codes)
    finally:
        knock.close()
        for line in lines:
            line.adapter.close()


def _resolves(host: str, port: int) -> bool:
    with contextlib.suppress(OSError):
        return bool(base.resolve(host, port, DEFAULT.resolve_time, kind=socket.SOCK_STREAM))
    return False


def _who_answers(lines: list[Line], knock: "Knock", timeout: float) -> list[Line]:
    """Return the lines over which a first PING comes back; all are asked at the same time."""
    asked: set[str] = set()
    answering: list[Line] = []
    clock = lines[0].adapter.clock
    end = clock() + timeout
    waiting = list(lines)
    while waiting and clock() < end:
        for line in list(waiting):
            line.poll(5)
            if line.opened and line.name not in asked:
                asked.add(line.name)
                line.peer.send(packets.ping(line.adapter.clock()), reliable=False, ordered=False)
                line.adapter.flush()
            if any(packet[:2] == bytes((packets.MARK, packets.PONG)) for packet in line.packets):
                answering.append(line)
                waiting.remove(line)
            elif line.closed or (line.name == "enet" and knock.udp_refused()):
                waiting.remove(line)
    return [line for line in lines if line in answering]


def _series(line: Line, count: int, interval: float, timeout: float) -> Generator[str, None, None]:
    """PING over and over, and say how long it took."""
    times: list[float] = []
    number = 0
    due = line.adapter.clock()
    try:
        while number < count:
            while (left := due - line.adapter.clock()) > 0:
                line.poll(left * 1000)
            due += interval
            took = line.ping(timeout)
            number += 1
            if took is None:
                yield f"{line.title}: number {number}: no answer within {timeout:g} s"
            else:
                times.append(took * 1000)
                yield f"{line.title}: number {number}: {took * 1000:.2f} ms"
    except KeyboardInterrupt:
        if number:
            yield "\n" + _summary(line.title, number, times)
        raise
    yield _summary(line.title, number, times)


def _summary(title: str, count: int, times: list[float]) -> str:
    lost = (count - len(times)) / count
    text = f"{title}: {count} sent, {len(times)} came back, {lost:.0%} lost"
    if times:
        low, mean, high = min(times), sum(times) / len(times), max(times)
        text += f"; round trip min/avg/max = {low:.2f}/{mean:.2f}/{high:.2f} ms"
    return text


def _silence(line: Line, knock: Knock) -> str:
    if line.opened:
        return (
            "something accepts connections there but does not answer: another program, or a server that does not "
            "call update()"
        )
    refused = knock.udp_refused() if line.name == "enet" else knock.tcp_refused()
    protocol = line.title.partition(" ")[0]
    if refused:
        return f"no answer: that computer says that nobody listens on {protocol} port {line.target[1]}"
    return _NO_WORD


def _verdict(
    host: str, port: int, answering: list[str], trouble: dict[str, str], knock: Knock
) -> Generator[str, None, None]:
    """Say what it means and what to do."""
    if answering == ["socket"]:
        untried = trouble.get("enet", "not tried").startswith("not tried")
        yield f"The server answers over TCP{'' if untried else ' but not over UDP'}: it is on the socket adapter."
        yield "Clients reach it with n_module='socket' in init(), or n_adapter='socket' in Client()."
    elif answering == ["enet"]:
        untried = "socket" not in trouble
        yield f"The server answers over UDP{'' if untried else ' but not over TCP'}: it is on the enet adapter."
        record = network.records["enet"]
        yield f"Clients reach it with the default, if they have ENet: pip install {record.install}"
    elif answering:
        yield "Servers answer over both, UDP (enet) and TCP (socket)."
    elif any("something accepts" in text for text in trouble.values()):
        yield f"Port {port} of {host} is in use, but no pygnetic server answers. Is it the right port?"
    elif any("nobody listens" in text for text in trouble.values()):
        silent = [_PROTOCOLS[name] for name, text in trouble.items() if text == _NO_WORD]
        refused = [_PROTOCOLS[name] for name, text in trouble.items() if "nobody listens" in text]
        if silent:
            other = silent[0]
            yield f"{host} is there, but nobody listens on {refused[0]}, and over {other} nothing came back."
            yield "One of these:"
            yield "  - the server does not run, or has another port;"
            yield f"  - a firewall drops {other}, or a router does not forward {other} port {port};"
            yield "  - the server hangs: it must call update() again and again."
            return
        if len(refused) == 1:  # the other adapter may have one
            yield f"{host} is there, but nobody listens on {refused[0]} port {port}. Is the server running?"
        else:
            yield f"{host} is there, but there is no server on port {port}. Is it running? Is it the right port?"
        yield "A server on '127.0.0.1' or 'localhost' hears its own computer only; on '' it hears everybody."
    else:
        yield f"Nothing came back from {host}. One of these:"
        yield "  - the address is wrong, or that computer is off or in another network;"
        yield f"  - a firewall drops what comes to port {port}: it must let in UDP for enet, TCP for socket;"
        yield f"  - it is behind a router that does not forward port {port} to it;"
        yield "  - the server hangs: it must call update() again and again."
    if not answering and trouble.get("enet", "").startswith("not tried"):
        yield "UDP was not tried (see above): a server on the enet adapter cannot be seen from here."
    if not answering and len(trouble) == 1:
        tried, other = ("enet", "socket") if "enet" in trouble else ("socket", "enet")
        told = f"a server on the {other} adapter cannot be seen so"
        yield f"{_PROTOCOLS[other]} was not tried (--adapter {tried}): {told}."


def _interview(line: Line, timeout: float, listed: bool, mine: str) -> Lines:
    """Say whether the server would let a client in, and which messages that must have."""
    refusal = line.hello(timeout)
    if refusal is None:
        yield "It does not say which messages it has, and whether it is full."
        return SILENT
    code, text = refusal.reason
    if code != DisconnectReason.SCHEMA_MISMATCH:
        yield f"The server refuses: {refusal.reason}"
        return REFUSING
    if listed:
        serializer, *messages = refusal.description.split("\n")
        yield f"The server packs with {packets.printable(serializer)} and has these messages, in this order:"
        yield from (f"  {packets.printable(message)}" for message in messages[:_LISTED])
        yield "It refuses clients that registered others, or the same in another order (SCHEMA_MISMATCH)."
    if mine and mine != refusal.description:
        told = packets.printable(difference(refusal.description, mine))
        yield f"It would refuse your messages (SCHEMA_MISMATCH): {told}."
    elif mine:
        yield "Your messages are the server's."
    if "full" in text:
        full = text.partition("full: it ")[2]  # "takes 4 clients (conn_limit)"
        yield f"It is full. Now it refuses everybody (SERVER_FULL): {f'the server {full}' if full else text}."
        return REFUSING
    yield "It is not full."
    return REFUSING if mine and mine != refusal.description else ANSWERED
