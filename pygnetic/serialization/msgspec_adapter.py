"""MessagePack by the ``msgspec`` package: the same bytes as ``msgpack``, faster both ways."""

import msgspec

from pygnetic.errors import DecodeError
from pygnetic.limits import DEFAULT, Limits
from pygnetic.serialization._messagepack import Unpacker, check_decoded, join, too_large
from pygnetic.serialization.base import Packet, as_bytes

__all__ = ["join", "pack", "unpack", "unpacker", "wire_name"]

wire_name = "msgpack"  # the bytes are the same, so the two ends need not agree on the library


def _plain(value: object) -> object:
    # msgspec refuses subclasses of str, int, float, bytes and bytearray, which msgpack packs as what they are
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, (bytes, bytearray)):
        return memoryview(value)
    raise TypeError(f"can not serialize {type(value).__name__!r} object")


_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
_decode = msgspec.msgpack.Decoder().decode

# 45 ns a message; msgpack's packer takes 160. Bound as it is: a function around it would cost as much again.
pack = _encode


def unpack(data: Packet, limits: Limits = DEFAULT) -> object:
    """Turn MessagePack bytes into a value; arrays come as lists.

    :raises DecodeError: the bytes are no MessagePack, or break a limit.

    >>> unpack(b'\\x93\\x02\\xa3Tom\\xacTest message')
    [2, 'Tom', 'Test message']
    """
    if type(data) is not bytes:
        data = as_bytes(data)
    if len(data) > limits.packet_size:
        raise too_large(data, limits)
    try:  # it makes room for 16 elements and grows with what there is, however many a header announces
        value = _decode(data)
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        raise DecodeError(f"no MessagePack message: {error or type(error).__name__}") from None
    check_decoded(value, data, limits, pack)
    return value


def unpacker() -> Unpacker:
    """Return a stream decoder: ``feed(bytes)`` it, iterate over the values complete so far."""
    return Unpacker(unpack)
