"""Smooth movement: 20 places a second come in, 60 pictures a second are drawn."""

from collections import deque

import pygnetic as net

# the newest counts, a lost one is no harm
position = net.register('position', ('tick', 'x'), reliable=False)

EVERY = 1 / 20  # seconds between two places
DELAY = 0.1  # seconds that we draw behind: two places, so that one may be lost


class Smooth:
    """Where to draw something whose places come in now and then."""

    def __init__(self):
        self.places = deque(maxlen=20)  # (time, x) by the sender's clock
        # from the sender's clock to ours: that of the fastest packet so far
        self.offset = float('inf')

    def add(self, now, tick, x):
        time = tick * EVERY
        self.offset = min(self.offset, now - time)
        self.places.append((time, x))

    def at(self, now):
        """Return x of a moment ago, between two places; None when none is known."""
        if not self.places:
            return None
        then = now - self.offset - DELAY
        before, after = self.places[0], self.places[-1]
        for place in self.places:
            if place[0] <= then:
                before = place
            else:
                after = place
                break
        (time_a, x_a), (time_b, x_b) = before, after
        if time_b <= time_a or then <= time_a:
            return x_a
        return x_a + (x_b - x_a) * min(1, (then - time_a) / (time_b - time_a))


class Ship(net.Handler):
    smooth = Smooth()

    def net_position(self, message):
        self.smooth.add(clock.now, message.tick, message.x)


class Clock:  # a game takes time.monotonic(); here time passes as we say
    now = 0.0

    def __call__(self):
        return self.now


clock = Clock()
net.init(logging_lvl=None, n_module='memory')
with net.Server(clock=clock) as server, net.Client(clock=clock) as client:
    client.connect(*server.address).add_handler(Ship())
    for frame in range(31):  # half a second; the ship flies 100 pixels a second
        clock.now = frame / 60
        if frame % 3 == 0:  # 20 times a second
            server.broadcast(position, frame // 3, 100 * clock.now)
        server.update()
        client.update()
        if frame >= 12 and frame % 2 == 0:
            there, drawn = 100 * clock.now, Ship.smooth.at(clock.now)
            print(f'frame {frame}: the ship is at {there:5.1f}, drawn at {drawn:5.1f}')
