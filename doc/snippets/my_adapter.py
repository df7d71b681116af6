"""A network adapter: TCP by hand, as plain as it can be and still keep the contract of pygnetic.network.base.

Both ends say init(n_module=my_adapter), or Client(n_adapter=my_adapter) and Server(..., n_adapter=my_adapter).
"""

import errno
import select
import socket
import time

from pygnetic.errors import DisconnectReason
from pygnetic.network import base
from pygnetic.network.base import CLOSED, OPENED, PACKET, check_host, check_port, listen_error, never_opened, resolve

NEW, OPEN, CLOSING, GONE = range(4)


class Peer:
    """One remote end."""

    def __init__(self, adapter, sock, address):
        self.address = address
        self.adapter, self.sock = adapter, sock
        self.state, self.read, self.out, self.taking = NEW, b'', [], iter(())
        adapter.peers.append(self)

    @property
    def unsent(self):
        return sum(map(len, self.out))

    def send(self, packet, *, channel=0, reliable=True, ordered=True, urgent=False):
        # TCP is always reliable and in order, and has no channels
        framed = len(packet).to_bytes(4, 'big') + packet
        if self.state != OPEN or base.over_limit(self.unsent + len(framed), self.adapter.limits.unsent, urgent):
            return False
        # nothing is sent here: all I/O is in poll(), flush() and close()
        self.taking = iter((framed,))  # used up in the very step that takes the packet: so Ctrl-C sends none twice
        self.out.extend(self.taking)
        return True

    def disconnect(self):
        if self.state == OPEN:
            self.state = CLOSING  # what was sent before still leaves
        elif self.state == NEW:
            self.abort()

    def break_off(self, packet):  # it tells why, and would come before what waits if this adapter could do that
        self.send(packet, urgent=True)
        self.disconnect()

    def abort(self):
        self.end(never_opened(self.state != NEW))

    def end(self, reason):
        """Report CLOSED, once."""
        if self.state != GONE:
            self.state, self.out, self.read = GONE, [], b''
            self.sock.close()
            self.adapter.peers.remove(self)
            self.adapter.events.append((CLOSED, self, b'', reason))


class Adapter:
    title = 'TCP (my_adapter)'  # in the sentence that a player reads when nobody answers

    def __init__(self, address=None, conn_limit=4, *, limits):
        self.clock, self.limits, self.address = time.monotonic, limits, None
        self.peers, self.events, self.listener, self.closed = [], [], None, False
        if address is not None:  # a server
            check_port(*address, 0)
            if address[0] != '':  # all of this computer's
                check_host(address[0])
            self.listener = socket.socket()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.setblocking(False)
            try:
                self.listener.bind(address)
                self.listener.listen()
            except OSError as error:
                self.listener.close()
                raise listen_error(address, error) from None
            self.address = self.listener.getsockname()

    def connect(self, host, port):
        if self.closed:
            raise OSError(errno.EBADF, 'this adapter is closed')
        found = resolve(host, port, self.limits.resolve_time, kind=socket.SOCK_STREAM, family=socket.AF_INET)
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(found[0][1])  # goes on by itself; poll() sees how it ends
        return Peer(self, sock, found[0][1])

    def poll(self, timeout=0):
        if self.closed:
            return []
        self.flush()
        reading = [peer.sock for peer in self.peers if peer.state != NEW]
        writing = [peer.sock for peer in self.peers if peer.state == NEW or peer.out]
        if self.listener:
            reading.append(self.listener)
        wait = 0 if self.events else max(timeout, 0) / 1000
        can_read, can_write, _ = select.select(reading, writing, writing, wait)
        for peer in list(self.peers):
            if peer.sock in can_write and peer.state == NEW:
                self.connected(peer)
            elif peer.sock in can_read:
                self.receive(peer)
        if self.listener in can_read:
            self.accept()
        self.flush()
        events, self.events = self.events, []
        return events

    def accept(self):
        try:
            sock, address = self.listener.accept()
        except OSError:
            return  # whoever it was is gone
        sock.setblocking(False)
        self.opened(Peer(self, sock, address))

    def connected(self, peer):
        if peer.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            peer.end(DisconnectReason.UNREACHABLE)
        else:
            self.opened(peer)

    def opened(self, peer):
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.state = OPEN
        self.events.append((OPENED, peer, b'', None))

    def receive(self, peer):
        try:
            data = peer.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b''
        if not data:
            peer.end(DisconnectReason.LOST)
        elif peer.state == OPEN:
            peer.read += data
            self.cut(peer)

    def cut(self, peer):
        """Take the packets that are complete out of what was read."""
        while len(peer.read) >= 4:
            size = int.from_bytes(peer.read[:4], 'big')
            if not 0 < size <= self.limits.packet_size:  # before anything is stored for it
                peer.end(DisconnectReason.PROTOCOL_ERROR)
                return
            if len(peer.read) < 4 + size:
                return
            packet, peer.read = peer.read[4 : 4 + size], peer.read[4 + size :]
            self.events.append((PACKET, peer, packet, {'channel': 0}))

    def flush(self):
        for peer in list(self.peers):
            try:
                if peer.out:
                    waiting = b''.join(peer.out)
                    waiting = waiting[peer.sock.send(waiting) :]
                    peer.out = [waiting] if waiting else []
                if peer.state == CLOSING and not peer.out:
                    peer.sock.shutdown(socket.SHUT_WR)  # the other end closes then, and we read that
            except BlockingIOError:
                pass
            except OSError:
                peer.end(DisconnectReason.LOST)

    def close(self):
        if self.closed:
            return
        self.flush()
        self.abandon()

    def abandon(self):
        self.closed = True
        for peer in list(self.peers):
            peer.end(DisconnectReason.LOST)
        if self.listener:
            self.listener.close()
        self.events.clear()
