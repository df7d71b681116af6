"""What can go wrong: the exceptions, and the reasons a connection ends.

Errors are split by who is at fault. Your own mistakes raise at your line; what the other side does never raises,
it becomes a :class:`DisconnectReason`::

    Exception
     +-- ValueError            an unknown message, a value that cannot be sent
     |    +-- MessageTooLarge  a message over the size limit
     |    +-- DecodeError      bytes that are no message (inside a connection: PROTOCOL_ERROR)
     +-- TypeError             too few or too many fields
     +-- AttributeError        connection.net_x() when no message x is registered
     +-- RuntimeError          too late, too many, or in the wrong place
     +-- ImportError           an adapter whose library is not installed
     +-- OSError               addresses: in use, not resolvable, not a port
"""

from enum import IntEnum
from typing import NamedTuple

__all__ = ["DecodeError", "DisconnectReason", "MessageTooLarge", "Reason"]


class MessageTooLarge(ValueError):
    """A message is bigger than the limit; the text names the message, its size and the limit, and says what to do."""


class DecodeError(ValueError):
    """Received bytes are not a message of this factory."""


class DisconnectReason(IntEnum):
    """Why a connection ended; ``connection.reason.code`` is one of these.

    The numbers travel in BYE and REFUSE packets, so they never change.
    """

    CLOSED = 0
    KICKED = 1
    TIMEOUT = 2
    UNREACHABLE = 3
    LOST = 4
    SERVER_FULL = 5
    SCHEMA_MISMATCH = 6
    VERSION_MISMATCH = 7
    PROTOCOL_ERROR = 8
    OVERLOADED = 9


class Reason(NamedTuple):
    """Why a connection ended, as a code for programs and a sentence for people.

    >>> reason = Reason(DisconnectReason.KICKED, "be nice")
    >>> print(reason)
    KICKED: be nice
    """

    code: DisconnectReason
    text: str = ""

    def __str__(self) -> str:
        return f"{self.code.name}: {self.text}" if self.text else self.code.name
