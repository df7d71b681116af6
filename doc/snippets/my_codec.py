"""A serialization adapter: JSON, squeezed by zlib.

Both ends say init(s_module=my_codec), or MessageFactory(my_codec).
"""

import sys
import zlib

from pygnetic.errors import DecodeError
from pygnetic.limits import DEFAULT
from pygnetic.serialization import json_adapter

wire_name = 'json+zlib'  # the two ends compare it


def pack(value):
    """Turn a value into bytes; ValueError, TypeError or OverflowError for what cannot be sent."""
    return zlib.compress(json_adapter.pack(value), 1)


def unpack(data, limits=DEFAULT):
    """Turn bytes into a value; DecodeError and nothing else, whatever the bytes are."""
    value, rest = _first(data, limits)
    if rest:
        raise DecodeError('something follows the value')
    return value


def _first(data, limits):
    """Return the first value of some bytes, and the bytes behind it."""
    squeezed = zlib.decompressobj()
    try:
        # a few bytes can hold a gigabyte of spaces: never unpack without a bound
        text = squeezed.decompress(data, limits.packet_size + 1)
    except zlib.error as error:
        raise DecodeError(f'no zlib: {error}') from None
    if len(text) > limits.packet_size:
        raise DecodeError(f'it has more than {limits.packet_size} bytes')
    if not squeezed.eof:
        raise DecodeError('it ends early')
    return json_adapter.unpack(text, limits), squeezed.unused_data


class unpacker:
    """For MessageFactory.unpack_all(): feed() it bytes in whatever pieces, iterate over the values so far."""

    def __init__(self):
        self.data = b''

    def feed(self, data):
        self.data += data

    def __iter__(self):
        while self.data:
            squeezed = zlib.decompressobj()
            try:
                squeezed.decompress(self.data, DEFAULT.packet_size + 1)
            except zlib.error as error:
                raise DecodeError(f'no zlib: {error}') from None
            if not squeezed.eof:
                if len(self.data) > DEFAULT.packet_size:
                    raise DecodeError(f'a value is longer than {DEFAULT.packet_size} bytes')
                return
            value, self.data = _first(self.data, DEFAULT)
            yield value


if __name__ == '__main__':
    from pygnetic.message import MessageFactory

    for codec in ('json', sys.modules[__name__]):
        factory = MessageFactory(codec)
        row = factory.register('row', ('tiles',))
        data = factory.pack(row(['grass', 'grass', 'water', 'grass'] * 20))
        print(factory.s_adapter.wire_name, len(data), 'bytes', factory.unpack(data).tiles[2])
