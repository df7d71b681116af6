"""Pong: two play, the others wait for their turn. Shows a server that decides, and a paddle that does not wait for it.

Run plainly it is a server, a bot and a window for you; a friend joins with --join and your address. Who comes third
watches, and takes the place of who loses or leaves.

Keys: up and down (or W and S) move your paddle; F3 shows the net graph; Escape ends.

What to look at: the server alone moves the ball and counts (Guest only hears wishes); your own paddle moves at once on
your screen, and what the server has not answered yet is played again when an answer comes (Player.steer and net_state),
so that it never feels slow.
"""

import contextlib
import random
import sys
from collections import deque

import stage

import pygnetic as net

with contextlib.suppress(ImportError):
    import pygame

# The messages. Server and clients must register the same ones, in the same order; here it is the same file.
join = net.register("join", ("name",))  # from a client: I play, and this is my name
you = net.register("you", ("side",))  # from the server: 0 is left, 1 is right, -1 watches
match = net.register("match", ("names", "points", "waiting", "text"))  # whenever one of these changes
steer = net.register("steer", ("number", "dy"))  # from a client, 60 times a second: -1, 0 or 1
# 30 times a second; answers are the numbers of the last inputs that moved the paddles
state = net.register("state", ("x", "y", "paddles", "answers"), reliable=False)

WIDTH, HEIGHT = 640, 400  # of the field, in pixels
PADDLE, BALL, INSET = 40, 7, 24  # half a paddle's height, half the ball, how far a paddle is from the edge
SPEED = 5  # of a paddle, in pixels an input
BURST = 12  # inputs that may come at once, after a delay on the way
GOAL = 5  # points make a match
SLOPPY = 64  # how far from the middle of its paddle a bot may hit; from 47 on it misses


def moved(y, dy):
    """Move a paddle for one input; the server and the player's own program do the same."""
    return stage.clamp(y + SPEED * dy, PADDLE, HEIGHT - PADDLE)


class Guest(net.Handler):
    """The server makes one of these for each client."""

    name = ""
    number = 0  # of the last input
    budget = BURST  # who sends more inputs is not faster

    def net_join(self, message):
        if not self.name:
            self.name = stage.clean(message.name) or "nobody"
            self.server.waiting.append(self)
            self.server.seat(f"{self.name} joined")

    def net_steer(self, message):
        self.number, dy = stage.clamp(message.number, 0, 2**31), stage.clamp(message.dy, -1, 1)
        if self in self.server.sides and self.budget > 0:
            self.budget -= 1
            side = self.server.sides.index(self)
            self.server.paddles[side] = moved(self.server.paddles[side], dy)

    def on_disconnect(self):
        if self.name:
            self.server.leave(self)


class PongServer(stage.Server):
    handler = Guest

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.sides, self.waiting = [None, None], []
        self.points, self.paddles = [0, 0], [HEIGHT // 2, HEIGHT // 2]
        self.matches = 0
        self.serve(1)

    def seat(self, text):
        """Give free paddles to those who wait, and tell everybody."""
        for side in (0, 1):
            if self.sides[side] is None and self.waiting:
                guest = self.sides[side] = self.waiting.pop(0)
                guest.connection.net_you(side)
                self.points = [0, 0]
                self.serve(1)
        names = [guest.name if guest else "" for guest in self.sides]
        self.broadcast(match, names, self.points, [guest.name for guest in self.waiting], text)

    def leave(self, guest):
        if guest in self.sides:
            self.sides[self.sides.index(guest)] = None
        else:
            self.waiting.remove(guest)
        self.seat(f"{guest.name} left")

    def serve(self, way):
        self.x, self.y, self.pause = WIDTH / 2, HEIGHT / 2, 20
        self.vx, self.vy = 11.0 * way, random.choice([-5.0, -3.0, 3.0, 5.0])

    def tick(self):
        for guest in filter(None, self.sides):
            guest.budget = min(guest.budget + 2, BURST)  # 30 ticks a second, 60 inputs
        if self.pause:
            self.pause -= 1
        elif None not in self.sides:
            self.move_ball()
        answers = [guest.number if guest else 0 for guest in self.sides]
        self.broadcast(state, int(self.x), int(self.y), self.paddles, answers)

    def move_ball(self):
        self.x += self.vx
        self.y += self.vy
        if not BALL < self.y < HEIGHT - BALL:
            self.y = stage.clamp(self.y, BALL, HEIGHT - BALL)
            self.vy = -self.vy
        side = int(self.vx > 0)  # whose turn it is to hit
        off = (self.y - self.paddles[side]) / (PADDLE + BALL)
        reach = self.x > WIDTH - INSET - BALL if side else self.x < INSET + BALL
        if reach and abs(off) <= 1:
            self.x = WIDTH - INSET - BALL if side else INSET + BALL
            self.vx = max(-20, min(20, self.vx * -1.06))
            self.vy = 8 * off  # where it was hit decides where it goes
        elif not 0 < self.x < WIDTH:
            self.score(1 - side)

    def score(self, winner):
        self.points[winner] += 1
        if self.points[winner] == GOAL:
            loser = self.sides[1 - winner]
            text = f"{self.sides[winner].name} beats {loser.name} {GOAL}:{self.points[1 - winner]}"
            print(text, flush=True)
            self.seat(text)  # with the points of the end, before they begin anew
            self.matches += 1
            self.points = [0, 0]
            if self.waiting:  # the winner stays
                self.sides[1 - winner] = None
                self.waiting.append(loser)
                loser.connection.net_you(-1)
        self.serve(1 if winner else -1)
        self.seat("")


class Player(stage.Player):
    """Knows what the server told, and can play by itself."""

    def __init__(self, name):
        super().__init__(name)
        self.side = -1
        self.names, self.points, self.waiting, self.text = ["", ""], [0, 0], [], ""
        self.ball, self.paddles, self.mine = (WIDTH / 2, HEIGHT / 2), [HEIGHT // 2] * 2, HEIGHT // 2
        self.number, self.inputs = 0, deque(maxlen=240)  # those that the server has not answered; 4 seconds
        self.aim = 0

    def on_connect(self):
        self.connection.net_join(self.name)

    def net_you(self, message):
        self.side = stage.clamp(message.side, -1, 1)

    def net_match(self, message):
        self.names = [stage.clean(name) for name in stage.several(2, message.names)]
        self.points = [stage.clamp(points, 0, GOAL) for points in stage.several(2, message.points)]
        self.waiting = [stage.clean(name) for name in message.waiting]
        self.done = self.done or (self.side >= 0 and GOAL in self.points)  # a match of ours has ended
        self.text = stage.clean(message.text, 60) or self.text
        self.aim = random.randint(-SLOPPY, SLOPPY)

    def net_state(self, message):
        x, y = stage.clamp(message.x, 0, WIDTH), stage.clamp(message.y, 0, HEIGHT)
        if abs(x - self.ball[0]) > 5 and (x > WIDTH / 2) != (self.ball[0] > WIDTH / 2):
            self.aim = random.randint(-SLOPPY, SLOPPY)
        self.ball, self.paddles = (x, y), [stage.clamp(y, 0, HEIGHT) for y in stage.several(2, message.paddles)]
        if self.side >= 0:
            # The server is right, but what it says is old by a round trip: play again what it did not know then.
            answer = stage.several(2, message.answers)[self.side]
            while self.inputs and self.inputs[0][0] <= answer:
                self.inputs.popleft()
            self.mine = self.paddles[self.side]
            for _, dy in self.inputs:
                self.mine = moved(self.mine, dy)

    def steer(self, dy):
        """Wish to move, 60 times a second, and move our picture of our paddle as the server is going to."""
        self.number += 1
        self.inputs.append((self.number, dy))
        self.mine = moved(self.mine, dy)
        self.connection.net_steer(self.number, dy)

    def play(self):
        """Move as a bot does."""
        if self.side >= 0:
            wanted = self.ball[1] + self.aim - self.mine
            self.steer((wanted > SPEED) - (wanted < -SPEED))


class PongWindow(stage.Window):
    size, title = (WIDTH, HEIGHT + 80), "pygnetic pong"
    ball = (WIDTH / 2, HEIGHT / 2)  # where we drew it last

    def control(self):
        held = pygame.key.get_pressed()
        down, up = held[pygame.K_DOWN] or held[pygame.K_s], held[pygame.K_UP] or held[pygame.K_w]
        if self.player.side >= 0:
            self.player.steer(down - up)

    def draw(self):
        player = self.player
        for y in range(10, HEIGHT, 30):
            pygame.draw.rect(self.screen, stage.LINE, (WIDTH // 2 - 2, y, 4, 16))
        for side, x in enumerate((INSET - 12, WIDTH - INSET)):
            y = player.mine if side == player.side else player.paddles[side]
            colour = stage.COLOURS[side] if player.names[side] else stage.LINE
            pygame.draw.rect(self.screen, colour, (x, y - PADDLE, 12, 2 * PADDLE), border_radius=4)
            self.write(str(player.points[side]), WIDTH // 2 + (-60, 60)[side], 20, stage.FAINT, "midtop", 64)
        # 30 places a second come in, 60 frames are drawn: go half of the way; but a new ball begins in the middle
        (x, y), (old_x, old_y) = player.ball, self.ball
        self.ball = (x, y) if abs(x - old_x) > 60 else ((x + old_x) / 2, (y + old_y) / 2)
        pygame.draw.rect(self.screen, stage.TEXT, (self.ball[0] - BALL, self.ball[1] - BALL, 2 * BALL, 2 * BALL))

        pygame.draw.rect(self.screen, stage.DARK, (0, HEIGHT, WIDTH, 80))
        for side, (x, corner) in enumerate(((16, "topleft"), (WIDTH - 16, "topright"))):
            name, colour = player.names[side], stage.COLOURS[side] if player.names[side] else stage.FAINT
            self.write(name or "(free)", x, HEIGHT + 14, colour, corner, 28, width=150)
        waiting = f"waiting: {', '.join(player.waiting)}" if player.waiting else "nobody waits"
        self.write(waiting, 16, HEIGHT + 50, stage.FAINT, width=WIDTH - 200)
        self.write(f"round trip {player.link.rtt:.1f} ms", WIDTH - 16, HEIGHT + 50, stage.FAINT, "topright")
        self.write(player.text, WIDTH // 2, HEIGHT + 18, stage.TEXT, "midtop", width=WIDTH - 350)


def main(argv=None):
    return stage.run(stage.parser(__doc__).parse_args(argv), PongServer, Player, PongWindow)


if __name__ == "__main__":
    sys.exit(main())  # a text is printed, and makes the exit code 1
