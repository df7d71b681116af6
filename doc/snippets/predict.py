"""Your own ship moves at once; inputs that are not answered yet are played again."""

from collections import deque

import pygnetic as net

# from a client, each frame: what its keys say; to it: where it was after this input
steer = net.register('steer', ('number', 'dx'))
place = net.register('place', ('number', 'x'), reliable=False)

SPEED = 3  # pixels a frame
BURST = 12  # inputs that may come in one frame, after a delay on the way


def move(x, dx):
    """Move a ship for one frame; the server and the client do exactly the same."""
    return max(0, min(640, x + SPEED * dx))


class Mine:
    """Your own ship, on your screen."""

    def __init__(self):
        self.x = self.number = 0
        # (number, dx) of the inputs without an answer; 4 seconds are enough
        self.waiting = deque(maxlen=240)

    def input(self, dx):
        """Move at once, and return the number that goes to the server."""
        self.number += 1
        self.waiting.append((self.number, dx))
        self.x = move(self.x, dx)
        return self.number

    def answer(self, number, x):
        """Take the server's place, and play again what it did not know then."""
        while self.waiting and self.waiting[0][0] <= number:
            self.waiting.popleft()
        for _, dx in self.waiting:
            x = move(x, dx)
        self.x = x


class Guest(net.Handler):  # on the server
    x = number = 0
    budget = BURST

    def net_steer(self, message):
        self.number = message.number
        if self.budget > 0 and message.dx in (-1, 0, 1):  # more inputs, no more speed
            self.budget -= 1
            self.x = move(self.x, message.dx)

    def tick(self):
        """Let a frame pass; the game calls it 60 times a second."""
        self.budget = min(self.budget + 1, BURST)


class Player(net.Handler):  # on the client
    def __init__(self):
        self.mine, self.told = Mine(), 0

    def net_place(self, message):
        self.told = message.x  # what the server says: only to compare
        self.mine.answer(message.number, message.x)


DELAY = 6  # frames each way, which are 100 ms


class Line:
    """A slow network: what is sent leaves later."""

    def __init__(self):
        self.waiting = deque()

    def send(self, connection, *message):
        self.waiting.append((frame + DELAY, connection, message))

    def update(self):
        while self.waiting and self.waiting[0][0] <= frame:
            _, connection, message = self.waiting.popleft()
            connection.send(*message)


net.init(logging_lvl=None, n_module='memory')
with net.Server(handler=Guest) as server, net.Client() as client:
    player, line, frame = Player(), Line(), 0
    connection = client.connect(*server.address)
    connection.add_handler(player)
    while not connection.connected:
        client.update()
        server.update()
    shown = []  # x by prediction, and x as the server says, for each frame
    for frame in range(48):
        dx = 1 if frame < 12 else 0  # the key is down for a fifth of a second
        line.send(connection, steer, player.mine.input(dx), dx)
        line.update()
        client.update()
        server.update()
        for guest in server.handlers():
            guest.tick()
            if frame % 3 == 0:  # 20 times a second
                line.send(guest.connection, place, guest.number, guest.x)
        shown.append((player.mine.x, player.told))

for name, column in (('predicted', 0), ('as the server says', 1)):
    up, end = shown[11][column], shown[-1][column]
    print(f'{name:18}: {up:2} pixels while the key is down, {end - up:2} after it is up')
