"""Reversi: take turns, watch, leave and come back. Shows a game in which nothing moves until somebody does.

Run plainly it is a server, a bot and a window for you; a friend joins with --join and your address. Who comes third
watches. Who leaves a game can come back to it: the program prints a key, and --key takes the seat again.

Keys: click a marked square; F3 shows the net graph; Escape ends.

What to look at: all of the game is one small reliable message (ReversiServer.tell), so who watches, comes back or was
there all the time needs no code of its own. A seat belongs to a key and not to a connection: a broken connection only
empties the chair (Guest.on_disconnect), and whoever has the key sits down again (ReversiServer.welcome).
"""

import contextlib
import secrets
import sys
import textwrap
import time

import stage

import pygnetic as net

with contextlib.suppress(ImportError):
    import pygame

# The messages. Server and clients must register the same ones, in the same order; here it is the same file.
join = net.register("join", ("name", "key"))  # from a client; the key is "", or what it got for its seat
seat = net.register("seat", ("side", "key"))  # from the server: 1 plays black, 2 white, 0 watches
move = net.register("move", ("square",))  # from a client: 0 is the corner above at the left, 63 the one below right
board = net.register("board", ("squares", "turn", "last", "names", "away", "watching", "text"))  # all there is to know

SIDE = 60  # of a square, in pixels
WAYS = [-9, -8, -7, -1, 1, 7, 8, 9]  # from a square to those around it
WORTH = [16, -4, 4, 3, 3, 4, -4, 16, -4, -6, 1, 1, 1, 1, -6, -4, 4, 1, 2, 1, 1, 2, 1, 4, 3, 1, 1, 0, 0, 1, 1, 3]
WORTH += WORTH[::-1]  # of squares, to a bot
PATIENCE, PAUSE = 30, 5  # seconds that a seat is kept, and from the end of a game to the next


# -- the rules: a board is a list of 64 numbers, 0 is empty, 1 black, 2 white


def flips(squares, square, side):
    """Return what a move turns over; nothing means that it is not allowed."""
    found = []
    for way in WAYS if squares[square] == 0 else []:
        line, at = [], square
        while 0 <= at + way < 64 and abs((at + way) % 8 - at % 8) <= 1 and squares[at + way]:  # stay in the row
            at += way
            if squares[at] == side:
                found += line
                break
            line.append(at)
    return found


def moves(squares, side):
    return [square for square in range(64) if flips(squares, square, side)]


# -- the server


class Guest(net.Handler):
    """The server makes one of these for each client."""

    name = ""

    def net_join(self, message):
        if not self.name:
            self.name = stage.clean(message.name) or "nobody"
            self.server.welcome(self, message.key)

    def net_move(self, message):
        self.server.move(self, stage.clamp(message.square, 0, 63))

    def on_disconnect(self):
        for chair in self.server.chairs:
            if chair.guest is self:  # not if the player came back before we knew that the old connection is dead
                chair.guest, chair.waits = None, PATIENCE * self.server.rate
                self.server.tell(f"{self.name} left; the seat is kept for {PATIENCE} s")
        self.server.tell()


class Chair:
    """Keeps a seat, whatever happens to the connection."""

    name, key, guest, waits = "", "", None, 0


class ReversiServer(stage.Server):
    handler = Guest

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.chairs, self.games, self.text = [Chair(), Chair()], 0, ""
        self.begin()

    def begin(self):
        self.squares = [0] * 27 + [2, 1] + [0] * 6 + [1, 2] + [0] * 27
        self.turn, self.last, self.pause = 1, -1, 0

    def welcome(self, guest, key):
        for side, chair in enumerate(self.chairs, 1):
            if key and key == chair.key:
                if chair.guest:  # of a connection that broke, and we do not know it yet
                    chair.guest.connection.disconnect(reason="you came back on another connection")
                chair.guest = guest
                guest.connection.net_seat(side, key)
                self.tell(f"{guest.name} is back")
                return
        guest.connection.net_seat(0, "")  # who has an old key learns that the seat was given away
        self.fill_chairs()
        self.tell(f"{guest.name} joined")

    def fill_chairs(self):
        for side, chair in enumerate(self.chairs, 1):
            seated = [chair.guest for chair in self.chairs]
            watching = [guest for guest in self.handlers() if guest.name and guest not in seated]
            if not chair.key and watching:
                chair.guest, chair.name, chair.key = watching[0], watching[0].name, secrets.token_hex(4)
                watching[0].connection.net_seat(side, chair.key)

    def move(self, guest, square):
        turned = flips(self.squares, square, self.turn) if self.turn else []
        if not turned or self.chairs[self.turn - 1].guest is not guest:
            return  # a click too many, or somebody tries what is not allowed
        for at in (square, *turned):
            self.squares[at] = self.turn
        self.last, side = square, self.turn
        self.turn = next((next_side for next_side in (3 - side, side) if moves(self.squares, next_side)), 0)
        text = f"{self.chairs[2 - side].name} must pass" if self.turn == side else ""
        if not self.turn:
            black, white = self.squares.count(1), self.squares.count(2)
            winner = self.chairs[0 if black > white else 1].name
            text = f"{winner} wins {max(black, white)}:{min(black, white)}" if black != white else "a draw"
            print(text, flush=True)
            self.games, self.pause = self.games + 1, PAUSE * self.rate
        self.tell(text)

    def tick(self):
        for chair in self.chairs:
            chair.waits -= 1
            if chair.key and not chair.guest and chair.waits <= 0:
                name, chair.name, chair.key = chair.name, "", ""
                self.fill_chairs()
                self.tell(f"{name} did not come back")
        self.pause -= 1
        if self.pause == 0:
            self.begin()
            self.tell("a new game")

    def tell(self, text=None):
        """Send everybody all there is to know; without a text, the last one stands."""
        self.text = self.text if text is None else text
        names, away = [chair.name for chair in self.chairs], [not chair.guest for chair in self.chairs]
        watching = sum(bool(guest.name) for guest in self.handlers()) - 2 + sum(away)
        self.broadcast(board, self.squares, self.turn, self.last, names, away, watching, self.text)


# -- the clients


class Player(stage.Player):
    """Knows the board, and can play by itself."""

    def __init__(self, name, key=""):
        super().__init__(name)
        self.side, self.key, self.frame = 0, key, 0
        self.squares, self.turn, self.last = [0] * 64, 0, -1
        self.names, self.away, self.watching, self.text = ["", ""], [True, True], 0, ""

    def on_connect(self):
        self.connection.net_join(self.name, self.key)

    def on_disconnect(self):
        if self.link.messages_received and self.link.reason.code.name in ("LOST", "TIMEOUT"):
            self.again = time.monotonic() + 1  # it worked and broke: once more, with the key, but do not hammer

    def net_seat(self, message):
        self.side, self.key = stage.clamp(message.side, 0, 2), stage.clean(message.key)
        if self.side:
            print(f"{self.name}, to come back: --name {self.name} --key {self.key}", flush=True)

    def net_board(self, message):
        self.squares = [stage.clamp(disc, 0, 2) for disc in stage.several(64, message.squares)]
        was, self.turn, self.last = self.turn, stage.clamp(message.turn, 0, 2), stage.clamp(message.last, -1, 63)
        self.done = self.done or bool(self.side and was and not self.turn)  # a game of ours has ended
        self.names = [stage.clean(name) for name in stage.several(2, message.names)]
        self.away = [bool(away) for away in stage.several(2, message.away)]
        self.watching, self.text = stage.clamp(message.watching, 0, 99), stage.clean(message.text, 80)

    def can_move(self):
        return self.side and self.turn == self.side and not self.away[self.side - 1]

    def play(self):
        """Think for a moment, then make the move that looks best."""
        self.frame += 1
        if self.frame % 15 == 0 and self.can_move():
            self.connection.net_move(max(moves(self.squares, self.side), default=0, key=lambda square: WORTH[square]))


class ReversiWindow(stage.Window):
    size, title = (8 * SIDE + 220, 8 * SIDE), "pygnetic reversi"

    def handle(self, e):
        if e.type == pygame.MOUSEBUTTONDOWN and e.button == 1 and e.pos[0] < 8 * SIDE and self.player.can_move():
            self.player.connection.net_move(e.pos[1] // SIDE * 8 + e.pos[0] // SIDE)

    def draw(self):
        player, left = self.player, 8 * SIDE
        allowed = moves(player.squares, player.side) if player.can_move() else []
        for square, disc in enumerate(player.squares):
            x, y = square % 8 * SIDE, square // 8 * SIDE
            pygame.draw.rect(self.screen, "#2b5f46", (x + 1, y + 1, SIDE - 2, SIDE - 2), border_radius=3)
            self.draw_disc(disc, x + SIDE // 2, y + SIDE // 2, SIDE // 2 - 7)
            if square == player.last or square in allowed:
                colour = stage.COLOURS[0] if square == player.last else "#7fb79b"
                pygame.draw.circle(self.screen, colour, (x + SIDE // 2, y + SIDE // 2), 6)
        pygame.draw.rect(self.screen, stage.DARK, (left, 0, 220, left))
        for side in (1, 2):
            y, name = 20 + 70 * (side - 1), player.names[side - 1]
            self.draw_disc(side, left + 34, y + 18, 16)
            away = ", away" if name and player.away[side - 1] else ""
            colour = stage.TEXT if name and not away else stage.FAINT
            self.write(name or "(free)", left + 62, y, colour, size=26, width=148)
            self.write(f"{player.squares.count(side)} discs{away}", left + 62, y + 22, stage.FAINT)
            if side == player.turn:
                pygame.draw.rect(self.screen, stage.COLOURS[3], (left, y - 8, 4, 52))
        self.write(("you watch", "you play black", "you play white")[player.side], left + 16, 180, stage.FAINT)
        self.write(f"{player.watching} watch", left + 16, 206, stage.FAINT)
        for number, line in enumerate(textwrap.wrap(player.text, 22)):
            self.write(line, left + 16, 250 + 24 * number, width=194)
        self.write(f"round trip {player.link.rtt:.1f} ms", left + 16, left - 30, stage.FAINT)

    def draw_disc(self, side, x, y, radius):
        if side:
            pygame.draw.circle(self.screen, ("#101216", "#e8e8e8")[side - 1], (x, y), radius)
            pygame.draw.circle(self.screen, ("#3a3f49", "#b8b8b8")[side - 1], (x, y), radius, 2)


def main(argv=None):
    parser = stage.parser(__doc__)
    parser.add_argument("--key", default="", help="what you got for your seat, to sit down on it again")
    args = parser.parse_args(argv)
    keys = {args.name: args.key}  # ours; bots have none
    return stage.run(args, ReversiServer, lambda name: Player(name, keys.get(name, "")), ReversiWindow)


if __name__ == "__main__":
    sys.exit(main())  # a text is printed, and makes the exit code 1
