"""The messages that the tests of one connection send, and a handler that keeps them."""

from __future__ import annotations

from typing import Any

from memory_pair import Pair

import pygnetic as net
from pygnetic.message import MessageFactory

# fields that are called like parameters and built-in functions
ODD = ("type", "channel", "reliable", "flags", "message", "self", "exclude", "len", "args", "kwargs")


class Keeper(net.Handler):
    def __init__(self) -> None:
        self.got: list[Any] = []

    def on_receive(self, message: Any) -> None:
        self.got.append(message)


def make_factory(codec: Any = "json") -> MessageFactory:
    factory = MessageFactory(codec)
    factory.register("chat_msg", ("player", "msg"))
    factory.register("move", ("x", "y"), reliable=False)
    factory.register("ready")
    factory.register("far", ("x",), channel=5)
    factory.register("odd", ODD)
    return factory


def got(pair: Pair) -> list[Any]:
    """What the server's handler has after one more round."""
    pair.update()
    return pair.server.handlers()[0].got  # type: ignore[attr-defined,no-any-return]
