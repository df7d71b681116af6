"""Networking for pygame's people: register messages, subclass :class:`Handler`, call ``update()`` once a frame.

>>> import pygnetic as net
>>> net.init(logging_lvl=None)
True
>>> echo = net.register('echo', ('text',))
"""

import logging
from collections.abc import Iterable
from typing import Any

from pygnetic import client, connection, event, handler, message, network, serialization, server  # noqa: F401
from pygnetic._help import console
from pygnetic.client import Client
from pygnetic.handler import Handler
from pygnetic.server import Server

__all__ = ["Client", "Handler", "Server", "init", "register"]

__version__ = "2.0.0"


def init(
    events: bool = False,
    event_val: int | None = None,
    logging_lvl: int | None = logging.INFO,
    n_module: object = ("enet", "socket"),
    s_module: object = ("msgpack", "json"),
    *,
    n_adapter: object = None,
    s_adapter: object = None,
) -> bool:
    """Choose the adapters, turn on logging, and events if you want them.

    :param events: post pygame events for what happens (see :mod:`pygnetic.event`), or do so no longer.
    :param event_val: makes ``event.NETWORK`` ``pygame.USEREVENT + event_val``; it is 65000 without.
    :param logging_lvl: the level from which on the logger ``pygnetic`` is shown on stderr, until your program sets up
        logging itself, by ``logging.basicConfig()`` or otherwise; None leaves logging alone.
    :param n_module: the network adapters to try, in this order.
    :param s_module: the serialization adapters to try, in this order.
    :param n_adapter: another spelling of ``n_module``.
    :param s_adapter: another spelling of ``s_module``.
    :return: True if there is a network adapter and a serialization adapter.
    :raises ImportError: events are wanted and there is no pygame.

    >>> init(logging_lvl=None, n_module='memory', s_module='json')
    True
    """
    if logging_lvl is not None:
        console.show(logging_lvl)
    if events:
        event.init(event_val)
    else:
        event.turn_off()
    chosen = (
        network.select_adapter(n_module if n_adapter is None else n_adapter),
        serialization.select_adapter(s_module if s_adapter is None else s_adapter),
    )
    return None not in chosen


def register(name: str, field_names: str | Iterable[str] = (), **kwargs: object) -> Any:
    """Add a message to :data:`pygnetic.message.message_factory` and return its class, a namedtuple.

    :param name: what the message is called; ``connection.net_<name>()`` sends it.
    :param field_names: the names of its fields.
    :param kwargs: how it is delivered, see :meth:`pygnetic.message.MessageFactory.register`.
    :raises ValueError: the name is taken or is no name, or a keyword is unknown.
    :raises RuntimeError: it is too late, since a Server was made or a Client has connected.

    >>> position = register('position', ('x', 'y'), reliable=False)
    """
    return message.message_factory.register(name, field_names, **kwargs)
