"""Lag lab: the same squares raw and interpolated, over a network as bad as you like. Shows why games draw the past.

Run plainly it is a server, a relay that spoils the network, and a window: at the left what the last message said, at
the right what a game should make of it, below the net graph. The dots are where a square was in the last 40 frames.

Keys: up and down change how often the server sends, right and left the delay, + and - the loss; Escape ends. Delay and
loss are each way; the net graph's are of the round trip: 10 % lost on the way and 10 % on the way back are 19 %.

What to look at: each message carries the server's time (Guest.send), so who gets it knows when the squares were there,
whatever the network did. Player.smooth draws a moment so old that messages from both sides of it have come, and goes
evenly from one to the next: late by a tenth of a second, but never jerky. With --bot it measures both for you.
"""

import collections
import contextlib
import importlib.util
import math
import sys
import time

import bad_network
import stage

import pygnetic as net

with contextlib.suppress(ImportError):
    import pygame

# The messages. Server and clients must register the same ones, in the same order; here it is the same file.
places = net.register("places", ("at", "rows"), reliable=False)  # the server's time in ms, and [[x, y], ...]
wish = net.register("wish", ("rate",))  # from a client: send so many times a second

SIZE, GAP, TEXT, GRAPH = 300, 20, 76, 150  # of a pane, between panes, and what is below them, in pixels
SQUARES = 3
RATES = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60]  # what 60 can be divided by
TOUR = [(60, 0, 0), (20, 0, 0), (20, 80, 0), (20, 80, 10), (10, 80, 10)]  # sends a second, ms each way, % lost


def place_of(number, now):
    """Return where a square is: the first goes in a circle, the others along an eight and to and fro."""
    angle = 2 * math.pi * now / (2.5, 4, 3)[number]
    if number == 2:
        return round(SIZE / 2 + 125 * math.sin(angle)), 275
    return round(SIZE / 2 + (110, 60)[number] * math.cos(angle)), round(140 + 110 * math.sin(angle * (1, 2)[number]))


class Guest(net.Handler):
    """The server makes one of these for each client."""

    rate = 20

    def net_wish(self, message):
        wished = stage.clamp(message.rate, RATES[0], RATES[-1])
        self.rate = max(rate for rate in RATES if rate <= wished)

    def send(self, now, rows):
        self.connection.net_places(round(now * 1000), rows)


class LabServer(stage.Server):
    handler = Guest
    rate = 60
    ticks = 0

    def tick(self):
        self.ticks += 1
        now = self.ticks / self.rate
        rows = [place_of(number, now) for number in range(SQUARES)]
        for guest in self.handlers():
            if self.ticks % (self.rate // guest.rate) == 0:
                guest.send(now, rows)


class Player(stage.Player):
    """Knows what the server told of the last seconds, and can measure by itself.

    :param relay: the network that it can spoil.
    :param seconds: how long it measures each of the settings.
    """

    def __init__(self, name, relay, seconds=2.0):
        super().__init__(name)
        self.relay, self.seconds = relay, seconds
        self.rate = 20
        self.told = collections.deque(maxlen=200)  # (server's time, rows), the newest last
        self.ahead = collections.deque()  # (when it came, the server's time minus ours then), of a second
        self.trails = collections.deque(maxlen=40), collections.deque(maxlen=40)  # what was drawn: raw, smooth
        self.tour, self.measured, self.until = list(TOUR), [], 0.0

    def net_places(self, message):
        now, at = time.monotonic(), int(message.at) / 1000
        rows = [(stage.clamp(x, 0, SIZE), stage.clamp(y, 0, SIZE)) for x, y in stage.several(SQUARES, message.rows)]
        if not self.told or at > self.told[-1][0]:
            self.told.append((at, rows))
            self.ahead.append((now, at - now))
            while self.ahead[0][0] < now - 1:
                self.ahead.popleft()

    def set(self, rate, delay, loss):
        """Change the server's rate (a second), the network's delay (ms each way) and its loss (percent)."""
        self.rate, self.relay.delay, self.relay.loss = rate, delay / 1000, loss / 100
        self.connection.net_wish(rate)

    def raw(self):
        """Return where the squares are, as the last message says."""
        return self.told[-1][1]

    def smooth(self):
        """Return where the squares were a moment ago, between two messages."""
        # The fastest message of late tells the server's time best. Then two messages back, so that one may be lost.
        shown = time.monotonic() + max(ahead for _, ahead in self.ahead) - 2 / self.rate - 0.03
        older = newer = self.told[0]
        for newer in self.told:
            if newer[0] >= shown:
                break
            older = newer
        part = (shown - older[0]) / (newer[0] - older[0]) if newer[0] > older[0] else 0
        part = max(0.0, min(1.0, part))
        return [(x + (u - x) * part, y + (v - y) * part) for (x, y), (u, v) in zip(older[1], newer[1], strict=True)]

    def frame(self):
        """Take note of what this frame shows."""
        if self.told:
            for trail, rows in zip(self.trails, (self.raw(), self.smooth()), strict=True):
                trail.append(rows)

    def play(self):
        """Go on with the tour: measure a setting, then try the next one."""
        if not self.told or self.done:
            return
        self.frame()
        now = time.monotonic()
        if self.until and now >= self.until:
            self.measured.append((*self.tour.pop(0), *map(longest_step, self.trails)))
            rate, delay, loss, raw, smooth = self.measured[-1]
            print(f"{rate:2} a second, {delay:2} ms and {loss:2} % lost each way: a square jumps", end=" ")
            print(f"{raw:5.1f} pixels raw, {smooth:5.1f} interpolated", flush=True)
        if not self.tour:
            self.done = True
        elif now >= self.until:
            self.set(*self.tour[0])
            self.until = now + self.seconds


def longest_step(trail):
    """Return how far the first square went between two frames, at most."""
    return max((math.dist(a[0], b[0]) for a, b in zip(trail, list(trail)[1:], strict=False)), default=0.0)


class LabWindow(stage.Window):
    size, title = (2 * SIZE + 3 * GAP, SIZE + GAP + TEXT + GRAPH), "pygnetic lag lab"
    has_f3 = False  # its net graph is always there

    def __init__(self, player, by_itself):
        super().__init__(player)  # it goes on without anybody, and without a tour

    def handle(self, e):
        player = self.player
        rate, delay, loss = RATES.index(player.rate), player.relay.delay * 1000, player.relay.loss * 100
        if e.type == pygame.KEYDOWN:
            rate += (e.key == pygame.K_UP) - (e.key == pygame.K_DOWN)
            delay += 20 * ((e.key == pygame.K_RIGHT) - (e.key == pygame.K_LEFT))
            loss += 5 * ((e.unicode == "+") - (e.unicode == "-"))
            rate = RATES[stage.clamp(rate, 0, len(RATES) - 1)]
            player.set(rate, stage.clamp(round(delay), 0, 500), stage.clamp(round(loss), 0, 50))

    def draw(self):
        player = self.player
        player.frame()
        for number, (trail, name) in enumerate(zip(player.trails, ("raw", "interpolated"), strict=True)):
            left = GAP + number * (SIZE + GAP)
            pygame.draw.rect(self.screen, stage.DARK, (left, GAP, SIZE, SIZE))
            self.write(name, left + 10, GAP + 8, stage.FAINT)
            step = f"longest step {longest_step(trail):.1f} px"
            self.write(step, left + SIZE - 10, GAP + 8, stage.FAINT, "topright")
            for rows in trail:
                for square, (x, y) in enumerate(rows):
                    pygame.draw.circle(self.screen, stage.COLOURS[square], (left + x, GAP + y), 2)
            for square, (x, y) in enumerate(trail[-1] if trail else []):
                place = (left + x - 9, GAP + y - 9, 18, 18)
                pygame.draw.rect(self.screen, stage.COLOURS[square], place, border_radius=4)
        y = GAP + SIZE + 14
        for x, setting, keys in (
            (GAP, f"{player.rate} a second", "up, down"),
            (208, f"{player.relay.delay * 1000:.0f} ms each way", "right, left"),
            (443, f"{player.relay.loss:.0%} lost each way", "+, -"),
        ):
            end = self.write(setting, x, y, size=26)
            self.write(keys, end + 10, y + 3, stage.FAINT, size=20)
        if "Tcp" in type(player.relay).__name__:
            self.write("TCP repeats what is lost, and all behind it waits", GAP, y + 30, stage.FAINT)
        else:
            self.write("UDP: what is lost is gone, the next one comes", GAP, y + 30, stage.FAINT)
        self.graph.draw(self.screen, (0, self.size[1] - GRAPH, self.size[0], GRAPH))


def main(argv=None):
    parser = stage.parser(__doc__)
    parser.add_argument("--rate", type=int, choices=RATES, default=20, help="how often the server sends, a second")
    parser.add_argument("--delay", type=int, default=0, metavar="MS", help="of the network, each way")
    parser.add_argument("--loss", type=int, default=0, metavar="PERCENT", help="of the network, each way")
    args = parser.parse_args(argv)
    # the relay must know which it is
    args.adapter = args.adapter or ("enet" if importlib.util.find_spec("enet") else "socket")
    relay = bad_network.UdpRelay() if args.adapter == "enet" else bad_network.TcpRelay()

    class Visitor(Player):
        def on_connect(self):
            self.set(args.rate, args.delay, args.loss)

    if args.bots is None:
        args.bots = 0  # a bot would change the network while you look
    return stage.run(args, LabServer, lambda name: Visitor(name, relay), LabWindow, relay)


if __name__ == "__main__":
    sys.exit(main())  # a text is printed, and makes the exit code 1
