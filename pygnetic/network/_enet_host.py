"""Making an ENet host: one that listens, one that does not, and the socket buffers of both."""

import contextlib
import errno
import socket

import enet  # type: ignore[import-not-found, unused-ignore]

from pygnetic.network._enet_binding import Host
from pygnetic.network.base import check_port, listen_error, resolve

__all__: list[str] = []

# A user's channel n is ENet's 2n for reliable and 2n + 1 for unreliable packets: unreliable ones that ENet drops on
# a channel with reliable ones leak its receive window until the peer stalls.
CHANNELS = 64
# Bytes of socket buffer for each connection: Linux counts 768 for a small datagram, and a frame's answer is two of them
# (an acknowledgement and the packet). With ENet's own buffer 500 clients that answer at once lost a third.
_BUFFER_EACH = 8192
_ENETS_BUFFER = 262144  # ENET_HOST_RECEIVE_BUFFER_SIZE
_MOST_BUFFER = 4194304
# A server has buffers for so many at least: 300 small datagrams fill ENet's own, and so one flooder would leave no room
# between two frames for what the others send.
LEAST_BUFFERED = 128


def dialling(slots: int) -> Host:
    """Make a host that only connects."""
    made: Host = enet.Host(None, slots, CHANNELS, 0, 0)
    return made


def listen(address: tuple[str, int], slots: int, timeout: float) -> Host:
    """Make a host that listens.

    :param timeout: seconds to resolve the name of the address.
    :raises OSError: the address cannot be listened on; the text says why.
    """
    host, port = address
    check_port(host, port, 0)
    name = "0.0.0.0"
    if host != "":
        name = resolve(host, port, timeout, kind=socket.SOCK_DGRAM, family=socket.AF_INET, lowest=0)[0][1][0]
    try:
        made: Host = enet.Host(enet.Address(name.encode() if host else None, port), slots, CHANNELS, 0, 0)
    except MemoryError:
        problem = OSError(errno.EADDRNOTAVAIL, "ENet could not make the socket")
    else:
        return made
    # that is all ENet tells; a plain socket knows why
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((name, port))
        except OSError as error:
            problem = error
    raise listen_error(address, problem)


def enlarge_buffers(fileno: int, conn_limit: int) -> None:
    """Ask the system for socket buffers that hold what all connections send in a frame."""
    size = min(conn_limit * _BUFFER_EACH, _MOST_BUFFER)
    if size <= _ENETS_BUFFER:
        return
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, fileno=fileno)
    with contextlib.suppress(OSError):  # it is only a wish; Linux grants net.core.rmem_max
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
    sock.detach()  # the descriptor stays ENet's
