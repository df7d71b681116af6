"""Whiteboard: everybody draws on one picture. Shows how who comes late gets all that was before, at its own pace.

Run plainly it is a server, a bot that draws, and a window for you; friends join with --join and your address.

Keys: draw with the mouse; 1 to 8, or a click, choose a colour; the wheel, or + and -, the width; Delete wipes the board
for all; F3 shows the net graph; Escape ends.

What to look at: the server keeps the picture as a list of strokes, and of each guest how much of it that guest has got
(Guest.catch_up). New strokes and the picture so far are then the same thing, and connection.unsent tells when a slow
guest needs time. Where the others' pens are is soon replaced by something newer, so it is sent unreliably.
"""

import contextlib
import math
import sys
import time

import stage

import pygnetic as net

with contextlib.suppress(ImportError):
    import pygame

# The messages. Server and clients must register the same ones, in the same order; here it is the same file.
join = net.register("join", ("name",))
you = net.register("you", ("id",))  # from the server: this is your id
draw = net.register("draw", ("colour", "width", "points"))  # from a client: a stroke, [[x, y], ...]
strokes = net.register("strokes", ("rows",))  # from the server: [[id of who drew, colour, width, points], ...]
wipe = net.register("wipe")  # both ways: forget the picture
people = net.register("people", ("rows",))  # [[id, name], ...], whenever somebody comes or goes
pen = net.register("pen", ("x", "y", "colour"), reliable=False)  # from a client: here my pen is
pens = net.register("pens", ("rows",), reliable=False)  # [[id, x, y, colour], ...], 30 times a second

WIDTH, HEIGHT, PANEL = 720, 480, 40
MOST_POINTS = 100  # of a stroke; longer lines are several strokes
MOST_ALL = 200_000  # points of the picture: 26 to 57 MB
INK, MOST_INK = 300.0, 3000.0  # points of a guest, a second (no hand draws faster), and at once after a pause
PORTION = 20  # strokes that are sent at once
ENOUGH = 32 * 1024  # bytes on their way to a guest before it gets more


def place(x, y):
    """Return the nearest point of the board. What are no numbers raises, as in all that comes from outside."""
    return stage.clamp(x, 0, WIDTH), stage.clamp(y, 0, HEIGHT)


def stroke_of(colour, width, points):
    """Return a stroke as it can be drawn, whatever came from outside."""
    points = [place(x, y) for x, y in points[:MOST_POINTS]]
    if not points:
        raise ValueError("a stroke without a point")
    return stage.clamp(colour, 0, 7), stage.clamp(width, 1, 40), points


class Guest(net.Handler):
    """The server makes one of these for each client."""

    name = ""
    got = 0  # strokes of the picture that were sent to this guest
    pen = None
    ink, refilled = MOST_INK, 0.0  # how many points this guest may draw now, and when we counted

    def net_join(self, message):
        if not self.name:
            self.name = stage.clean(message.name) or "nobody"
            self.connection.net_you(self.connection.id)
            self.server.tell_people()

    def net_draw(self, message):
        stroke, now = stroke_of(*message), time.monotonic()
        self.ink = min(MOST_INK, self.ink + INK * (now - self.refilled)) - len(stroke[-1])
        self.refilled = now
        if self.ink < 0:
            self.connection.disconnect(reason="nobody draws so fast")
        elif self.name and self.server.points < MOST_ALL:
            self.server.picture.append((self.connection.id, *stroke))
            self.server.points += len(stroke[-1])

    def net_pen(self, message):
        self.pen = (self.connection.id, *place(message.x, message.y), stage.clamp(message.colour, 0, 7))

    def net_wipe(self, message):
        if self.name:
            self.server.wipe()

    def on_disconnect(self):
        self.server.tell_people()

    def catch_up(self):
        """Send what this guest has not got yet: from the start after it joined, the newest strokes later."""
        picture = self.server.picture
        while self.got < len(picture) and self.connection.unsent < ENOUGH:
            self.connection.net_strokes(picture[self.got : self.got + PORTION])
            self.got = min(self.got + PORTION, len(picture))


class BoardServer(stage.Server):
    handler = Guest

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.picture, self.points = [], 0

    def present(self):
        return [guest for guest in self.handlers() if guest.name]

    def tell_people(self):
        self.broadcast(people, [(guest.connection.id, guest.name) for guest in self.present()])

    def wipe(self):
        self.picture, self.points = [], 0
        for guest in self.handlers():
            guest.got = 0
        self.broadcast(wipe)  # arrives after the strokes that were sent before it, and before those that come after

    def tick(self):
        self.broadcast(pens, [guest.pen for guest in self.present() if guest.pen])
        for guest in self.present():
            guest.catch_up()


class Player(stage.Player):
    """Knows the picture, and can draw by itself."""

    def __init__(self, name):
        super().__init__(name)
        self.me = None
        self.picture, self.people, self.pens = [], {}, []
        self.unconfirmed = []  # our own strokes that the server has not told to all yet
        self.points = self.wipes = self.step = self.colour = 0

    def on_connect(self):
        self.connection.net_join(self.name)

    def net_you(self, message):
        self.me = int(message.id)
        self.colour = self.me % 8

    def net_strokes(self, message):
        for who, *row in message.rows:
            self.picture.append((who, *stroke_of(*row)))
            self.points += len(self.picture[-1][-1])
            if who == self.me and self.unconfirmed:
                del self.unconfirmed[0]
        if self.points >= MOST_ALL:
            self.unconfirmed.clear()  # the board is full: the server did not take these

    def net_wipe(self, message):
        self.picture, self.points = [], 0
        self.unconfirmed.clear()  # the server may have wiped these, too; what it gets only now comes back as strokes
        self.wipes += 1

    def net_people(self, message):
        self.people = {int(i): stage.clean(name) for i, name in message.rows}

    def net_pens(self, message):
        rows = [(int(i), *place(x, y), stage.clamp(colour, 0, 7)) for i, x, y, colour in message.rows]
        self.pens = [row for row in rows if row[0] != self.me]

    def stroke(self, width, points):
        """Draw: we see it at once, the others when the server has it."""
        if self.me is not None and self.points < MOST_ALL and self.connection.net_draw(self.colour, width, points):
            self.unconfirmed.append((self.me, self.colour, width, points))

    def play(self):
        """Draw the next bit of a rose, each of us another one in another place."""
        if self.me is None or self.step > 200:
            self.done = self.me is not None and not self.unconfirmed  # our rose is complete, and the server has it
            return
        petals, x, y = 2 + self.me % 4, 120 + 240 * (self.me // 2 % 3), 120 + 240 * (self.me % 2)
        curve = []
        for part in range(4):
            angle = 2 * math.pi * (self.step + part / 3) / 200
            radius = 25 + 75 * math.cos(petals * angle)
            curve.append((round(x + radius * math.cos(angle)), round(y + radius * math.sin(angle))))
        self.stroke(4, curve)
        self.connection.net_pen(*curve[-1], self.colour)
        self.step += 1


class BoardWindow(stage.Window):
    size, title = (WIDTH, HEIGHT + PANEL), "pygnetic whiteboard"

    def __init__(self, *args):
        super().__init__(*args)
        self.canvas = pygame.Surface((WIDTH, HEIGHT))
        self.drawn = self.wipes = 0
        self.width, self.last, self.down = 4, None, False  # of our pen; where it was, and whether it drew

    def handle(self, e):
        if e.type == pygame.KEYDOWN and e.unicode and e.unicode in "12345678":
            self.player.colour = int(e.unicode) - 1
        elif e.type == pygame.KEYDOWN and e.key == pygame.K_DELETE:
            self.player.connection.net_wipe()
        elif e.type == pygame.MOUSEWHEEL or (e.type == pygame.KEYDOWN and e.unicode and e.unicode in "+-"):
            step = e.y if e.type == pygame.MOUSEWHEEL else 1 if e.unicode == "+" else -1
            self.width = stage.clamp(self.width + 2 * step, 2, 40)
        elif e.type == pygame.MOUSEBUTTONDOWN and e.button == 1 and e.pos[1] >= HEIGHT and 8 <= e.pos[0] < 8 + 32 * 8:
            self.player.colour = (e.pos[0] - 8) // 32

    def control(self):
        place = pygame.mouse.get_pos()
        pressed = pygame.mouse.get_pressed()[0] and place[1] < HEIGHT  # below are the colours
        if pressed and not (self.down and place == self.last):
            self.player.stroke(self.width, [self.last if self.down else place, place])
        if place != self.last:
            self.player.connection.net_pen(*place, self.player.colour)
        self.last, self.down = place, pressed

    def draw(self):
        player = self.player
        if self.wipes != player.wipes:
            self.wipes, self.drawn = player.wipes, 0
        if not self.drawn:
            self.canvas.fill(stage.BACKGROUND)
        for row in player.picture[self.drawn :]:  # each stroke is drawn once
            self.draw_stroke(self.canvas, *row)
        self.drawn = len(player.picture)
        self.screen.blit(self.canvas, (0, 0))
        for row in player.unconfirmed:
            self.draw_stroke(self.screen, *row)
        for i, x, y, colour in player.pens:
            if i in player.people:
                pygame.draw.circle(self.screen, stage.COLOURS[colour], (x, y), 6)
                pygame.draw.circle(self.screen, stage.TEXT, (x, y), 6, 2)
                self.write(player.people[i], stage.clamp(x, 60, WIDTH - 60), y + 10, corner="midtop", width=110)
        pygame.draw.rect(self.screen, stage.DARK, (0, HEIGHT, WIDTH, PANEL))
        for number, colour in enumerate(stage.COLOURS):
            place = (24 + 32 * number, HEIGHT + PANEL // 2)
            pygame.draw.circle(self.screen, colour, place, 10)
            if number == player.colour:
                pygame.draw.circle(self.screen, stage.TEXT, place, 13, 2)
        self.write(f"{self.width} wide", 280, HEIGHT + 13, stage.FAINT)
        full = "the board is full; Delete wipes it" if player.points >= MOST_ALL else f"{len(player.picture)} strokes"
        self.write(f"{len(player.people)} here, {full}", WIDTH - 16, HEIGHT + 13, stage.FAINT, "topright")

    def draw_stroke(self, surface, who, colour, width, points):
        pygame.draw.lines(surface, stage.COLOURS[colour], False, [points[0], *points], width)
        for place in points:  # or there are nicks where lines meet
            pygame.draw.circle(surface, stage.COLOURS[colour], place, (width - 1) // 2)


def main(argv=None):
    return stage.run(stage.parser(__doc__).parse_args(argv), BoardServer, Player, BoardWindow)


if __name__ == "__main__":
    sys.exit(main())  # a text is printed, and makes the exit code 1
