"""Network happenings as pygame events, for programs that already have an event loop.

Enable them with ``pygnetic.init(events=True)``. pygame (or pygame-ce) is imported then, and not before.
"""

import logging
from collections.abc import Callable
from typing import Any

__all__ = ["NETWORK", "NET_ACCEPTED", "NET_CONNECTED", "NET_DISCONNECTED", "NET_RECEIVED"]

_logger = logging.getLogger("pygnetic")

_NETWORK = 65000  # below pygame.NUMEVENTS (65535) and above what custom_type() hands out first
#: The ``type`` of all our events. ``init(event_val=n)`` makes it ``pygame.USEREVENT + n``.
NETWORK = _NETWORK
#: ``net_type`` when a connection is open.
NET_CONNECTED = 0
#: ``net_type`` when a server has accepted a client; CONNECTED follows.
NET_ACCEPTED = 1
#: ``net_type`` when a connection has ended; the event has a ``reason``.
NET_DISCONNECTED = 2
#: ``net_type`` when a message came; the event has ``message`` and ``msg_type``.
NET_RECEIVED = 3

#: Posts one event; None while events are off. Read by the endpoints once an update.
post: Callable[..., None] | None = None
#: Events that pygame did not take: no display yet, a blocked type, a full queue.
lost = 0


def init(event_val: int | None = None) -> None:
    """Turn the events on.

    :param event_val: makes :data:`NETWORK` ``pygame.USEREVENT + event_val``; keep it below 32,000. None makes it what
        it is after import.
    :raises ImportError: neither pygame nor pygame-ce is installed, or what is installed does not load.
    """
    global NETWORK, post
    try:
        import pygame
    except ModuleNotFoundError as error:
        if error.name != "pygame":  # it is there, and says itself what it lacks
            raise
        raise ImportError("events need pygame: pip install pygame-ce (or pygame)") from error
    number = _NETWORK
    if event_val is not None:
        if type(event_val) is not int or not 0 <= event_val < pygame.NUMEVENTS - pygame.USEREVENT:
            raise ValueError(f"event_val is {event_val!r}; it must be 0 to {pygame.NUMEVENTS - pygame.USEREVENT - 1}")
        number = pygame.USEREVENT + event_val
    NETWORK = number
    post = _poster(pygame.event.Event, pygame.event.post, pygame.error)


def turn_off() -> None:
    """Post no events, as it is after import."""
    global NETWORK, post
    NETWORK = _NETWORK
    post = None


def _poster(make: Any, put: Any, trouble: type[Exception]) -> Callable[..., None]:
    def post_event(net_type: int, connection: object, **attributes: object) -> None:
        global lost
        try:
            taken = put(make(NETWORK, net_type=net_type, connection=connection, **attributes))
            problem: object = "the event type is blocked"
        except trouble as error:
            taken, problem = False, error
        # a full queue raises in pygame and returns False in pygame-ce
        if not taken:
            lost += 1
            if lost == 1:
                _logger.warning("pygame does not take network events (%s); they are counted in event.lost", problem)

    return post_event
