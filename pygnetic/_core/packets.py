"""The control packets: how two ends agree to talk, keep in touch and part. Bytes in, bytes out; no I/O.

A packet whose first byte is 0xC1 is one of these: no MessagePack and no JSON text begins so. ``doc/protocol.rst``
shows every byte.
"""

import struct
import unicodedata
from typing import NamedTuple

from pygnetic.errors import DecodeError, DisconnectReason, Reason

__all__: list[str] = []

MARK = 0xC1
MARKED = bytes((MARK,))
VERSION = 1

HELLO, WELCOME, REFUSE, PING, PONG, BYE = range(1, 7)

# An application's HELLO bytes, a reason's text, a description of messages: a stranger may not make us hold more.
MAX_APPLICATION = 1024
MAX_TEXT = 1024
MAX_DESCRIPTION = 16384
MAX_PACKET = 65536  # as the default of Limits.packet_size: everything above fits

# Combining marks on one character. Burmese has words with 5, as many as any script that is written today.
_MOST_MARKS = 6

_HELLO = struct.Struct("!BBBIB")  # mark, kind, version, schema hash, length of the wire name
_PING = struct.Struct("!BBQ")  # mark, kind, the sender's clock in microseconds
_REASON = struct.Struct("!BBBH")  # mark, kind, code, length of the text
_LENGTH = struct.Struct("!H")
_CODES = frozenset(DisconnectReason)
_CUT_HERE = 32  # bytes for the line that says that more lines do not fit


class Hello(NamedTuple):
    """What a client says first."""

    version: int
    schema_hash: int
    wire_name: str
    application: bytes = b""


class Refusal(NamedTuple):
    """Why a server does not welcome a client."""

    reason: Reason
    description: str = ""


class Farewell(NamedTuple):
    """Why the other end is about to close."""

    reason: Reason
    final: bool = False


def hello(schema_hash: int, wire_name: str, application: bytes = b"") -> bytes:
    """Return the packet a client says first."""
    name = wire_name.encode()
    header = _HELLO.pack(MARK, HELLO, VERSION, schema_hash, len(name))
    return header + name + _LENGTH.pack(len(application)) + application


def read_hello(packet: bytes) -> Hello:
    """:raises DecodeError: it is not a valid HELLO. A HELLO of another version is read no further than its version."""
    try:
        _, _, version, schema_hash, length = _HELLO.unpack_from(packet)
        if version != VERSION:
            return Hello(version, 0, "")
        start = _HELLO.size + length
        name = packet[_HELLO.size : start].decode()
        (size,) = _LENGTH.unpack_from(packet, start)
    except struct.error:
        raise DecodeError("invalid HELLO: too short") from None
    except UnicodeDecodeError:
        raise DecodeError("invalid HELLO: the text is not valid UTF-8") from None
    application = packet[start + _LENGTH.size :]
    if len(application) != size or size > MAX_APPLICATION:
        raise DecodeError("invalid HELLO: wrong length")
    return Hello(version, schema_hash, name, application)


def welcome() -> bytes:
    """Return the packet that lets a client in."""
    return bytes((MARK, WELCOME))


def _cut(text: str, limit: int) -> bytes:
    return text.encode("utf-8", "replace")[: max(limit, 0)].decode("utf-8", "ignore").encode()


def _cut_lines(text: str, limit: int) -> bytes:
    """Cut a description after a whole line; the next one says so, or the client would tell of half a message."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return data
    lines = data[: max(limit - _CUT_HERE, 0)].split(b"\n")[:-1]
    return b"\n".join([*lines, b"%d ... (too long to tell)" % len(lines)]) if lines else b""


def _with_reason(kind: int, reason: Reason, most: int) -> bytes:
    text = _cut(reason.text, min(MAX_TEXT, most - _REASON.size))
    return _REASON.pack(MARK, kind, reason.code, len(text)) + text


def _read_reason(packet: bytes) -> tuple[Reason, bytes]:
    try:
        _, _, code, length = _REASON.unpack_from(packet)
        end = _REASON.size + length
        if length > MAX_TEXT or len(packet) < end:
            raise DecodeError("invalid REFUSE or BYE: wrong length")
        text = packet[_REASON.size : end].decode()
    except struct.error:
        raise DecodeError("invalid REFUSE or BYE: too short") from None
    except UnicodeDecodeError:
        raise DecodeError("invalid REFUSE or BYE: the text is not valid UTF-8") from None
    if code not in _CODES:
        raise DecodeError(f"invalid REFUSE or BYE: unknown reason {code}")
    return Reason(DisconnectReason(code), printable(text)), packet[end:]


def refuse(reason: Reason, description: str = "", most: int = MAX_PACKET) -> bytes:
    """Return the packet that sends a client away; the description tells it which messages the server has.

    :param most: bytes that the packet may have; what does not fit is left out.
    """
    start = _with_reason(REFUSE, reason, most - _LENGTH.size)
    text = _cut_lines(description, min(MAX_DESCRIPTION, most - len(start) - _LENGTH.size))
    return start + _LENGTH.pack(len(text)) + text


def read_refuse(packet: bytes) -> Refusal:
    """:raises DecodeError: it is not a valid REFUSE."""
    reason, rest = _read_reason(packet)
    if len(rest) < _LENGTH.size:
        raise DecodeError("invalid REFUSE: too short")
    (size,) = _LENGTH.unpack_from(rest)
    if size > MAX_DESCRIPTION or len(rest) != _LENGTH.size + size:
        raise DecodeError("invalid REFUSE: wrong length")
    try:
        return Refusal(reason, rest[_LENGTH.size :].decode())
    except UnicodeDecodeError:
        raise DecodeError("invalid REFUSE: the text is not valid UTF-8") from None


def bye(reason: Reason, final: bool = False, most: int = MAX_PACKET) -> bytes:
    """Return the packet that says why the sender is about to close.

    :param final: nothing follows, not even the adapter's own goodbye.
    :param most: bytes that the packet may have; what does not fit is left out.
    """
    return _with_reason(BYE, reason, most - 1) + bytes((final,))


def read_bye(packet: bytes) -> Farewell:
    """:raises DecodeError: it is not a valid BYE."""
    reason, rest = _read_reason(packet)
    if rest not in (b"\0", b"\1"):
        raise DecodeError("invalid BYE: wrong end")
    return Farewell(reason, rest == b"\1")


def ping(now: float) -> bytes:
    """Return a PING that carries the sender's clock, in seconds."""
    return _PING.pack(MARK, PING, int(now * 1e6) & 0xFFFFFFFFFFFFFFFF)


def pong(packet: bytes) -> bytes:
    """Return the answer to a PING: the same clock.

    :raises DecodeError: it is not a valid PING.
    """
    if len(packet) != _PING.size:
        raise DecodeError("invalid PING: wrong length")
    return bytes((MARK, PONG)) + packet[2:]


def stamp(packet: bytes) -> int:
    """Return the clock that a PING or PONG of the right length carries, in microseconds."""
    return int(_PING.unpack(packet)[2])


def read_pong(packet: bytes, now: float) -> float:
    """Return the round-trip time in seconds; to be believed only if a PING with this :func:`stamp` was sent.

    :raises DecodeError: it is not a valid PONG.
    """
    if len(packet) != _PING.size:
        raise DecodeError("invalid PONG: wrong length")
    return max(now - stamp(packet) / 1e6, 0.0)


def printable(text: str, limit: int = 400) -> str:
    """Return a stranger's text fit for a terminal.

    No control characters, no more than ``limit`` characters, and no pile of combining marks over other lines.
    """
    shown, marks = [], 0
    for c in text[:limit]:
        marks = marks + 1 if unicodedata.category(c)[0] == "M" else 0
        if marks <= _MOST_MARKS:
            shown.append(c if c.isprintable() else " ")
    return "".join(shown)
