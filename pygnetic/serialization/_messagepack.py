"""The structure of MessagePack bytes, read without building a single object."""

from collections.abc import Callable, Iterator
from typing import Any

from pygnetic.errors import DecodeError
from pygnetic.limits import DEFAULT, Limits
from pygnetic.serialization.base import SCALARS, check_batch

__all__ = ["SMALL_PACKET", "Unpacker", "check_decoded", "has_many_headers", "join", "too_large"]

# https://github.com/msgpack/msgpack/blob/master/spec.md: after the first byte, how many bytes hold the length
# (or the value), for a byte that says so. Str and bin are followed by as many bytes, array and map by elements.
_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_FIXED.update({0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8})
_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_ARRAYS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}

# For bytes.translate: what remains are the bytes that may begin a container, and those whose length is in a header.
_LONG_HEADERS = bytes([*_ARRAYS, *_MAPS])
_NO_HEADER = bytes(set(range(256)) - set(range(0x80, 0xA0)) - set(_LONG_HEADERS))
_NO_LONG_HEADER = bytes(set(range(256)) - set(_LONG_HEADERS))
_NO_HEADER_OR_EXTENSION = bytes(set(_NO_HEADER) - {0xC7, 0xC8, 0xC9, *range(0xD4, 0xD9)})

# A header makes msgpack allocate 8 bytes for each of at most 1024 announced elements (never more than the packet has
# bytes): below this size, or with fewer headers, that is under 1 MB together and needs no look at the structure.
SMALL_PACKET = 512
_FEW_HEADERS = 100


class Scanner:
    """Walk over one value after another; knows where a value ends and whether it breaks a limit."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.position = 0
        self._open = [1]  # values still to come, for each container that is open; the outermost is the value itself

    def advance(self, data: bytes | bytearray) -> bool:
        """Walk on; True when a value ends at ``position``, False when more bytes are needed.

        :raises DecodeError: a container, a string or the nesting is over its limit, or a byte has no meaning.
        """
        stack, position, end = self._open, self.position, len(data)
        while True:
            while stack and not stack[-1]:
                stack.pop()
            if not stack:
                self.position, self._open = position, [1]
                return True
            self.position = position
            if position >= end:
                return False
            first = data[position]
            position += 1
            size, elements = 0, -1
            if first < 0x80 or first >= 0xE0:
                pass
            elif first < 0x90:
                elements = 2 * (first & 0x0F)
            elif first < 0xA0:
                elements = first & 0x0F
            elif first < 0xC0:
                size = first & 0x1F
            elif first in _FIXED:
                size = _FIXED[first]
            else:
                width = _BYTES.get(first) or _ARRAYS.get(first) or _MAPS.get(first)
                if not width:
                    raise DecodeError(f"byte 0x{first:02x} is an extension type or no MessagePack at all")
                if position + width > end:
                    return False
                length = int.from_bytes(data[position : position + width], "big")
                position += width
                if first in _BYTES:
                    size = length
                elif length > self.limits.container:
                    raise DecodeError(f"a container has {length} elements; the limit is {self.limits.container}")
                else:
                    elements = length if first in _ARRAYS else 2 * length
            if size > self.limits.packet_size:
                raise DecodeError(f"a string has {size} bytes; the limit is {self.limits.packet_size}")
            if position + size > end:
                return False
            position += size
            stack[-1] -= 1
            if elements >= 0:
                stack.append(elements)
                # the value's own level, a batch and a message stand above the fields that the limit is about
                if len(stack) > self.limits.nesting + 3:
                    raise DecodeError(f"it is nested deeper than {self.limits.nesting} containers")


def too_large(data: bytes, limits: Limits) -> DecodeError:
    """Return the error for more bytes than a packet can have."""
    return DecodeError(f"it has {len(data)} bytes; the limit is {limits.packet_size} (Limits.packet_size)")


def has_many_headers(data: bytes) -> bool:
    """Tell whether a decoder that makes room for what headers announce might take a megabyte for these bytes.

    To be asked for more than ``SMALL_PACKET`` bytes.
    """
    return len(data.translate(None, _NO_LONG_HEADER)) > _FEW_HEADERS


def check_decoded(value: Any, data: bytes, limits: Limits) -> None:
    """Check what was decoded from ``data`` against the limits.

    Where the bytes that may begin a container or an extension type (which msgspec reads) are no more than the arrays
    of the batch and its messages, no field can hold one; seeing that takes 12 ns a message where looking at each field
    takes 60.
    """
    if type(value) is list and value and len(value) <= limits.container:
        if type(value[0]) is list:
            if len(data.translate(None, _NO_HEADER_OR_EXTENSION)) <= len(value) + 1:
                return
        else:
            for item in value:
                if type(item) not in SCALARS:
                    break
            else:
                return
    check_batch(value, limits)


def join(packed: list[bytes]) -> bytes:
    """Return packed values as one packed array.

    >>> join([b'\\x01', b'\\xa3two'])
    b'\\x92\\x01\\xa3two'
    """
    count = len(packed)
    header = bytes((0x90 | count,)) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
    return header + b"".join(packed)


class Unpacker:
    """Decode a stream: ``feed()`` it with bytes as they come, iterate over the values complete so far.

    :param unpack: decodes one whole value.
    """

    def __init__(self, unpack: Callable[[bytes, Limits], Any], limits: Limits = DEFAULT) -> None:
        self._unpack = unpack
        self._limits = limits
        self._buffer = bytearray()
        self._scanner = Scanner(limits)

    def feed(self, data: bytes) -> None:
        """Add bytes to the stream."""
        self._buffer += data

    def __iter__(self) -> Iterator[Any]:
        while self._scanner.advance(self._buffer):
            data = bytes(self._buffer[: self._scanner.position])
            del self._buffer[: self._scanner.position]
            self._scanner.position = 0
            yield self._unpack(data, self._limits)
        if len(self._buffer) > self._limits.packet_size:
            raise DecodeError(f"a value is longer than {self._limits.packet_size} bytes")
