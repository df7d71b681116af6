"""MessagePack by the ``msgpack`` package: small, fast, knows bytes."""

import msgpack  # type: ignore[import-untyped, unused-ignore]

from pygnetic.errors import DecodeError
from pygnetic.limits import DEFAULT, Limits
from pygnetic.serialization._messagepack import (
    SMALL_PACKET,
    Unpacker,
    check_decoded,
    has_many_headers,
    join,
    too_large,
)
from pygnetic.serialization.base import Packet, as_bytes

__all__ = ["join", "pack", "unpack", "unpacker", "wire_name"]

wire_name = "msgpack"

# One Packer for all, which forgets by itself what it wrote before an error: 100 ns a message where packb, which makes
# a new one each time, takes 250.
pack = msgpack.Packer().pack
_unpackb = msgpack.unpackb


def _refuse_extension(code: int, data: bytes) -> object:
    raise DecodeError(f"extension type {code}")


def _skip(data: bytes) -> None:
    """Read MessagePack without making anything of it; 3 ns a byte, so that 64 KiB take 0.2 ms.

    What is complete holds as many elements as its headers announce, each in a byte at least.
    """
    reader = msgpack.Unpacker(max_buffer_size=len(data), read_size=1)
    reader.feed(data)
    reader.skip()


def unpack(data: Packet, limits: Limits = DEFAULT) -> object:
    """Turn MessagePack bytes into a value; arrays come as lists.

    :raises DecodeError: the bytes are no MessagePack, or break a limit.

    >>> unpack(b'\\x93\\x02\\xa3Tom\\xacTest message')
    [2, 'Tom', 'Test message']
    """
    if type(data) is not bytes:
        data = as_bytes(data)
    size = most = len(data)
    if size > limits.packet_size:
        raise too_large(data, limits)
    # it makes room for as many elements as a header announces, and each takes a byte at least
    if most > limits.container:
        most = limits.container
    try:
        if size > SMALL_PACKET and has_many_headers(data):
            _skip(data)
        value = _unpackb(
            data,
            strict_map_key=False,  # our own check allows int keys and refuses the rest
            max_array_len=most,
            max_map_len=most,
            max_ext_len=0,
            ext_hook=_refuse_extension,
        )
    except Exception as error:  # msgpack raises a dozen kinds, among them TypeError for an unhashable key
        raise DecodeError(f"no MessagePack message: {error or type(error).__name__}") from None
    check_decoded(value, data, limits, pack)
    return value


def unpacker() -> Unpacker:
    """Return a stream decoder: ``feed(bytes)`` it, iterate over the values complete so far."""
    return Unpacker(unpack)
