"""The structure of MessagePack bytes, read without building a single object."""

from collections.abc import Callable, Iterator

from pygnetic.errors import DecodeError
from pygnetic.limits import DEFAULT, Limits
from pygnetic.serialization.base import SCALARS, Packet, as_bytes, check_batch

__all__ = ["SMALL_PACKET", "Unpacker", "check_decoded", "has_many_headers", "join", "too_large"]

# https://github.com/msgpack/msgpack/blob/master/spec.md: how many bytes hold the length, after a byte that says so.
# Str and bin are followed by as many bytes, array and map by elements.
_BYTES = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_ARRAYS = {0xDC: 2, 0xDD: 4}
_MAPS = {0xDE: 2, 0xDF: 4}
# How many bytes a value has in all, where its first byte says that; 0 for every other first byte.
_SIZES = [1] * 0x80 + [0] * 0x20 + [1 + size for size in range(0x20)] + [0] * 0x20 + [1] * 0x20
for _first, _size in {0xC0: 1, 0xC2: 1, 0xC3: 1, 0xCA: 5, 0xCB: 9, 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9}.items():
    _SIZES[_first] = _size
for _first, _size in {0xD0: 2, 0xD1: 3, 0xD2: 5, 0xD3: 9}.items():
    _SIZES[_first] = _size
# What a key of a map may begin with: int (a bool is one), str or bin.
_KEYS = frozenset({*range(0x80), *range(0xA0, 0xC0), 0xC2, 0xC3, *range(0xCC, 0xD4), *range(0xE0, 0x100), *_BYTES})

# For bytes.translate: what remains are the bytes that may begin a container, and those whose length is in a header.
_LONG_HEADERS = bytes([*_ARRAYS, *_MAPS])
_NO_LONG_HEADER = bytes(set(range(256)) - set(_LONG_HEADERS))
# And so that the header of each array of at most 15 elements is an "A": what remains of a batch of so many messages.
_HEADERS = bytes(ord("A") if 0x90 <= byte < 0xA0 else byte for byte in range(256))
_BATCHES = [b"A" * (count + 1) for count in range(16)]
_SHORT = 15
_NO_HEADER_OR_EXTENSION = bytes(
    set(range(256)) - set(range(0x80, 0xA0)) - set(_LONG_HEADERS) - {0xC7, 0xC8, 0xC9, *range(0xD4, 0xD9)}
)

# A header makes msgpack allocate 8 bytes for each of at most 1024 announced elements (never more than the packet has
# bytes): below this size, or with fewer headers, that is under 1 MB together and needs no look at the structure.
SMALL_PACKET = 512
_FEW_HEADERS = 100


class Scanner:
    """Walk over one value after another; knows where a value ends and whether it breaks a limit."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.position = 0
        # Values still to come, and whether they are a map's keys and values in turn: of the innermost container that
        # is open, and of those around it. The outermost is the value itself.
        self._innermost = (1, False)
        self._around: list[tuple[int, bool]] = []

    def advance(self, data: bytes | bytearray) -> bool:
        """Walk on; True when a value ends at ``position``, False when more bytes are needed.

        :raises DecodeError: a container, a string or the nesting is over its limit, a key is none, or a byte has no
            meaning.
        """
        sizes, around, limits = _SIZES, self._around, self.limits
        left, is_map = self._innermost
        position, end = self.position, len(data)
        while True:
            while not left and around:
                left, is_map = around.pop()
            if not left or position >= end:
                break
            first = data[position]
            if is_map and not left & 1 and first not in _KEYS:
                raise DecodeError("a dict has a key that is no str, bytes or int")
            after, elements = position + sizes[first], -1
            if after == position:
                width = _BYTES.get(first) or _ARRAYS.get(first) or _MAPS.get(first) or 0
                after += 1 + width
                if after > end:
                    break
                length = int.from_bytes(data[position + 1 : after], "big") if width else first & 0x0F
                if first in _BYTES:
                    if length > limits.packet_size:
                        raise DecodeError(f"a string has {length} bytes; the limit is {limits.packet_size}")
                    after += length
                elif not width and first >= 0xA0:
                    raise DecodeError(f"byte 0x{first:02x} is an extension type or no MessagePack at all")
                elif length > limits.container:
                    raise DecodeError(f"a container has {length} elements; the limit is {limits.container}")
                else:
                    elements = 2 * length if first < 0x90 or first in _MAPS else length
            if after > end:
                break
            position = after
            left -= 1
            if elements >= 0:
                around.append((left, is_map))
                left, is_map = elements, first < 0x90 or first in _MAPS
                # the value's own level, a batch and a message stand above the fields that the limit is about
                if len(around) > limits.nesting + 2:
                    raise DecodeError(f"it is nested deeper than {limits.nesting} containers")
        self.position = position
        self._innermost = (left, is_map) if left else (1, False)
        return not left


def too_large(data: bytes, limits: Limits) -> DecodeError:
    """Return the error for more bytes than a packet can have."""
    return DecodeError(f"it has {len(data)} bytes; the limit is {limits.packet_size} (Limits.packet_size)")


def has_many_headers(data: bytes) -> bool:
    """Tell whether a decoder that makes room for what headers announce might take a megabyte for these bytes.

    To be asked for more than ``SMALL_PACKET`` bytes.
    """
    return len(data.translate(None, _NO_LONG_HEADER)) > _FEW_HEADERS


def check_decoded(value: object, data: bytes, limits: Limits, pack: Callable[[object], bytes]) -> None:
    """Check what was decoded from ``data`` against the limits.

    Where the bytes that may begin a container or an extension type (which msgspec reads) are those of the batch and its
    messages, no field can hold one; seeing that takes 12 ns a message where looking at each field takes 60. (Where
    something stands in place of a message, a field can hold a short array, which breaks no limit.)

    :param pack: the codec's own.
    """
    if type(value) is list and value:
        count = len(value)
        if type(value[0]) is not list:
            for item in value:
                if type(item) not in SCALARS:
                    break
            else:
                if count <= limits.container:
                    return
        elif _SHORT <= limits.container >= count:
            headers = data.translate(_HEADERS, _NO_HEADER_OR_EXTENSION)
            if headers == (_BATCHES[count] if count < 16 else b"\xdc" + b"A" * count):
                return
    if check_batch(value, limits):
        try:
            if pack(value) == data:
                return
        except (ValueError, RecursionError):
            pass  # it is nested deeper than the codec packs, and the limits allow it
        # A key may have come twice, and what it overwrote does not show in the value; the libraries differ in what they
        # refuse there. Packing, which shows that nothing is hidden, takes a hundredth of the time of this.
        Scanner(limits).advance(data)


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

    def __init__(self, unpack: Callable[[bytes, Limits], object], limits: Limits = DEFAULT) -> None:
        self._unpack = unpack
        self._limits = limits
        self._buffer = bytearray()
        self._scanner = Scanner(limits)

    def feed(self, data: Packet) -> None:
        """Add bytes to the stream.

        :raises DecodeError: it is given something else.
        """
        self._buffer += as_bytes(data)

    def __iter__(self) -> Iterator[object]:
        while self._scanner.advance(self._buffer):
            data = bytes(self._buffer[: self._scanner.position])
            del self._buffer[: self._scanner.position]
            self._scanner.position = 0
            yield self._unpack(data, self._limits)
        if len(self._buffer) > self._limits.packet_size:
            raise DecodeError(f"a value is longer than {self._limits.packet_size} bytes")
