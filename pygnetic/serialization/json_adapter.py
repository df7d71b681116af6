"""JSON by the standard library: needs nothing installed, easy to read in a packet dump."""

import json
import re
from collections.abc import Iterator
from typing import NoReturn

from pygnetic.errors import DecodeError
from pygnetic.limits import DEFAULT, Limits
from pygnetic.serialization.base import Packet, as_bytes, check_batch

__all__ = ["join", "pack", "unpack", "unpacker", "wire_name"]

wire_name = "json"

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def _refuse_constant(text: str) -> NoReturn:
    raise DecodeError(f"{text} is no JSON number")


def _small_int(text: str) -> int:
    # the range of MessagePack's integers; and int() of 5000 digits is slow enough to be an attack
    if len(text) > 20 or not -(2**63) <= int(text) < 2**64:
        raise DecodeError(f"an integer of {len(text)} characters does not fit into 64 bits")
    return int(text)


def _finite_float(text: str) -> float:
    number = float(text)
    if number - number != 0.0:
        raise DecodeError(f"{text} is no finite number")
    return number


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
_decode_carefully = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_int=_small_int, parse_float=_finite_float
).decode
# Hooks for each number make decoding three times as slow; without one of these no number can be too large and no
# string can hold half of a surrogate pair.
_needs_care = re.compile(r"\d{19}|[eE]\+?\d{3}|\\u[dD]").search


def _check_keys(value: object) -> None:
    # json.dumps would turn {1: 'a'} into {'1': 'a'} without a word
    if isinstance(value, dict):
        for key, inside in value.items():
            if not isinstance(key, str):
                raise TypeError(f"a dict has the key {key!r}; in JSON keys are strings")
            _check_keys(inside)
    elif isinstance(value, (list, tuple)):
        for inside in value:
            _check_keys(inside)


def pack(value: object) -> bytes:
    """Turn a value into JSON text in UTF-8.

    :raises TypeError, ValueError: the value cannot be sent: bytes, keys that are no strings, NaN, more than 64 bits.

    >>> pack((2, 'Tom', 'Test message'))
    b'[2,"Tom","Test message"]'
    """
    text = _encode(value)
    if "{" in text:
        _check_keys(value)
    if _needs_care(text):
        _decode_carefully(text)  # what the receiver would refuse is refused here
    return text.encode()


def unpack(data: Packet, limits: Limits = DEFAULT) -> object:
    """Turn JSON text into a value; arrays come as lists.

    :raises DecodeError: the bytes are no JSON, or break a limit.

    >>> unpack(b'[2,"Tom","Test message"]')
    [2, 'Tom', 'Test message']
    """
    if type(data) is not bytes:
        data = as_bytes(data)
    if len(data) > limits.packet_size:
        raise DecodeError(f"it has {len(data)} bytes; the limit is {limits.packet_size} (Limits.packet_size)")
    try:
        text = data.decode()
        if _needs_care(text):
            value = _decode_carefully(text)
            _encode(value).encode()  # fails for half of a surrogate pair
        else:
            value = _decode(text)
    except (ValueError, RecursionError) as error:
        raise DecodeError(f"no JSON message: {error or type(error).__name__}") from None
    if data.count(b"[") + data.count(b"{") > 1 or data.count(b",") >= limits.container:
        check_batch(value, limits)
    return value


class _Unpacker:
    """Find where an array or object ends in a stream of JSON text."""

    _bracket_or_string = re.compile(rb'[\[\]{}"]|[^\s\[\]{}"]+')
    _string_end = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*(")?', re.DOTALL)

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._position = 0
        self._depth = 0

    def feed(self, data: Packet) -> None:
        """Add bytes to the stream.

        :raises DecodeError: it is given something else.
        """
        self._buffer += as_bytes(data)

    def _advance(self) -> bool:
        while found := self._bracket_or_string.search(self._buffer, self._position):
            token, end = found.group(), found.end()
            if token == b'"':
                string = self._string_end.match(self._buffer, end)
                if string is None or not string.group(1):
                    return False
                end = string.end()
            elif token in b"[{":
                self._depth += 1
            elif token in b"]}":
                self._depth -= 1
            if self._depth <= 0 and token not in b"]}":
                raise DecodeError("a stream of JSON messages is made of arrays and objects")
            self._position = end
            if self._depth <= 0:
                return True
        return False

    def __iter__(self) -> Iterator[object]:
        while self._advance():
            data = bytes(self._buffer[: self._position])
            del self._buffer[: self._position]
            self._position = self._depth = 0
            yield unpack(data, self._limits)
        if len(self._buffer) > self._limits.packet_size:
            raise DecodeError(f"a value is longer than {self._limits.packet_size} bytes")


def unpacker() -> _Unpacker:
    """Return a stream decoder: ``feed(bytes)`` it, iterate over the arrays and objects complete so far."""
    return _Unpacker()


def join(packed: list[bytes]) -> bytes:
    """Return packed values as one packed array.

    >>> join([b'1', b'"two"'])
    b'[1,"two"]'
    """
    return b"[" + b",".join(packed) + b"]"
