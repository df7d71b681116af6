"""Bad networks in a box: relays that stand between a client and a server, and delay or lose what passes.

Start it in front of any server of yours, and let a client connect to the port that it prints:

    python bad_network.py HOST PORT [DELAY [LOSS [ADAPTER]]]     for example: python bad_network.py 127.0.0.1 10000 80 5

DELAY is in ms each way, LOSS in percent, ADAPTER enet or socket. It shows what the two protocols do about loss: a UDP
packet is gone, and the next one comes; TCP repeats it, and until then everything behind it waits.
"""

import collections
import contextlib
import errno
import heapq
import itertools
import random
import selectors
import socket
import sys
import time

AGAIN = 0.2  # seconds until TCP repeats what was lost; Linux waits that long, at least
SIZE = 65536  # bytes read at once
NOT_YET = errno.ENOTCONN, 10057  # the server has not answered yet; 10057 is what Windows says


class Relay:
    """Use it in a ``with``, call update() often, and connect to its address; target is where the server is."""

    kind = socket.SOCK_DGRAM

    def __init__(self, target=("127.0.0.1", 0)):
        self.delay, self.loss = 0.0, 0.0  # seconds each way, and 0.0 to 1.0
        self.socket = self.new_socket(socket.AF_INET)
        self.socket.bind(("127.0.0.1", 0))
        self.address = self.socket.getsockname()
        self.sockets = [self.socket]
        self.lead_to(*target)

    def lead_to(self, host, port):
        """Look up where the server is, once; a name that has both kinds of address means the IPv4 one."""
        found = socket.getaddrinfo(host, port, type=self.kind)
        self.family, _, _, _, self.target = min(found, key=lambda one: one[0] != socket.AF_INET)

    def new_socket(self, family):
        made = socket.socket(family, self.kind)
        made.setblocking(False)
        return made

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        for one in self.sockets:
            one.close()

    def update(self, timeout=0):
        """Pass on what is due; waits at most so many ms."""
        if timeout:
            with selectors.DefaultSelector() as selector:
                for one in self.sockets:
                    if one.fileno() >= 0:
                        selector.register(one, selectors.EVENT_READ)
                selector.select(timeout / 1000)
        self.take(time.monotonic())

    def take(self, now):
        """Read all there is, and send what is due."""


class UdpRelay(Relay):
    """For the enet adapter. The server sees each client at a socket of its own."""

    def __init__(self, *args):
        super().__init__(*args)
        self.flows = {}  # from a client's address to the socket that speaks for it
        self.waiting, self.numbers = [], itertools.count()

    def take(self, now):
        for packet, client in self.read(self.socket):
            if client not in self.flows:
                self.flows[client] = self.new_socket(self.family)
                self.flows[client].bind(("", 0))  # at any address: from 127.0.0.1 no way leads to other machines
                self.sockets.append(self.flows[client])
            self.put(now, packet, self.flows[client], self.target)
        for client, flow in self.flows.items():
            for packet, _ in self.read(flow):
                self.put(now, packet, self.socket, client)
        while self.waiting and self.waiting[0][0] <= now:
            _, _, packet, sender, address = heapq.heappop(self.waiting)
            with contextlib.suppress(OSError):  # nobody there: lost, as on a real network
                sender.sendto(packet, address)

    def read(self, one):
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    yield one.recvfrom(SIZE)
                except ConnectionError:  # Windows tells that an earlier one met a closed port
                    continue

    def put(self, now, packet, sender, address):
        if random.random() >= self.loss:
            heapq.heappush(self.waiting, (now + self.delay, next(self.numbers), packet, sender, address))


class TcpRelay(Relay):
    """For the socket adapter. What is lost comes later, and all that was sent after it with it."""

    kind = socket.SOCK_STREAM

    def __init__(self, *args):
        super().__init__(*args)
        self.socket.listen()
        self.pipes = []  # (from, to, what is on its way: [when, bytes]; b"" is the end)

    def take(self, now):
        with contextlib.suppress(BlockingIOError):
            while True:
                client, server = self.socket.accept()[0], self.new_socket(self.family)
                client.setblocking(False)
                server.connect_ex(self.target)  # goes on by itself
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.sockets += [client, server]
                self.pipes += [(client, server, collections.deque()), (server, client, collections.deque())]
        for pipe in self.pipes[:]:
            if not self.pump(now, *pipe):
                self.pipes.remove(pipe)
                if not any(pipe[0] in other for other in self.pipes):  # the way back has ended, too
                    for one in pipe[:2]:
                        one.close()
                        self.sockets.remove(one)

    def pump(self, now, source, sink, waiting):
        """Move one direction of one connection on; False when it has ended."""
        try:
            if not waiting or waiting[-1][1]:
                with contextlib.suppress(BlockingIOError):
                    data = source.recv(SIZE)
                    late = AGAIN if random.random() < self.loss else 0
                    due = now + self.delay + late
                    waiting.append([max(due, waiting[-1][0]) if waiting else due, data])
            while waiting and waiting[0][0] <= now:
                if not waiting[0][1]:
                    sink.shutdown(socket.SHUT_WR)
                    return False
                sent = sink.send(waiting[0][1])
                waiting[0][1] = waiting[0][1][sent:]
                if waiting[0][1]:
                    break
                waiting.popleft()
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno in NOT_YET:
                return True
            source.close()  # the connection broke: the other end learns it
            sink.close()
            return False
        return True


def main(host="127.0.0.1", port=10000, delay=80, loss=5, adapter="enet"):
    relay = (UdpRelay if adapter == "enet" else TcpRelay)((host, int(port)))
    relay.delay, relay.loss = float(delay) / 1000, float(loss) / 100
    with relay:
        print("listening on port", relay.address[1], flush=True)
        while True:
            relay.update(1)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        print("bye")
    except OSError as error:  # the host is unknown
        sys.exit(str(error))
