"""Chat in a pygame window. Shows a client that is driven by pygame events: the network is one more thing that happens.

Start chat_server.py first, then this, once for each person who chats.

Keys: type, Enter sends; Page Up, Page Down or the mouse wheel look at older lines; Escape quits.

    python chat_client.py [NAME [HOST [PORT [ADAPTER]]]]     for example: python chat_client.py Tom 192.168.1.7
"""

import sys
import textwrap
import zlib
from collections import deque

import pygame

import pygnetic as net
from pygnetic import event

# Server and clients register the same messages, in the same order.
join = net.register("join", ("name",))  # from a client: my name is ...
say = net.register("say", ("text",))  # from a client: I say ...
chat_msg = net.register("chat_msg", ("player", "msg"))  # to the clients: somebody ("" is the server) said ...

WIDTH, HEIGHT, LINE, MARGIN = 640, 400, 22, 12  # in pixels
LETTERS = 64  # of a line
BACKGROUND, PANEL, TEXT, FAINT = "#16181d", "#22262e", "#e6e6e6", "#8a919e"
COLOURS = ["#ff7b72", "#ffa657", "#f2cc60", "#7ee787", "#79c0ff", "#d2a8ff", "#ff9bce", "#56d4dd"]


def clean(text):
    """Never trust what comes from outside: pygame cannot draw control characters, for one."""
    return "".join(letter for letter in str(text) if letter.isprintable())


class ChatWindow:
    """What there is to see: the lines so far, how far back we look, and what is being typed."""

    def __init__(self, connection, name):
        self.connection = connection
        self.name = name
        self.lines = deque(maxlen=500)  # of (player, text); "" is the server or this program
        self.back = 0
        self.typed = ""
        self.running = True
        self.screen = pygame.display.set_mode((WIDTH, HEIGHT))
        self.font = pygame.font.Font(None, 22)
        pygame.display.set_caption(f"pygnetic chat: {name}")
        pygame.key.set_repeat(400, 40)  # so that Backspace can be held down
        self.add("", "connecting ...")

    def add(self, player, msg):
        for part in textwrap.wrap(clean(msg), LETTERS):
            self.lines.append((player, part))
            player = None  # the rest of a long text is more of the same

    def network_event(self, e):
        if e.net_type == event.NET_CONNECTED:
            self.add("", "connected")
            self.connection.net_join(self.name)
        elif e.net_type == event.NET_DISCONNECTED:
            self.add("", f"disconnected: {e.reason}")  # the window stays, so that one can read why
        elif e.net_type == event.NET_RECEIVED and e.msg_type == chat_msg:
            self.add(clean(e.message.player), e.message.msg)

    def key(self, key):
        if key == pygame.K_RETURN and self.typed:
            if not self.connection.net_say(self.typed):  # send methods tell whether there is a connection
                self.add("", "not sent: there is no connection")
            self.typed, self.back = "", 0
        elif key == pygame.K_BACKSPACE:
            self.typed = self.typed[:-1]
        elif key == pygame.K_ESCAPE:
            self.running = False
        elif key in (pygame.K_PAGEUP, pygame.K_PAGEDOWN):
            self.scroll(10 if key == pygame.K_PAGEUP else -10)

    def scroll(self, lines):
        self.back = max(0, min(self.back + lines, len(self.lines) - 1))

    def handle(self, e):
        if e.type == event.NETWORK:
            self.network_event(e)
        elif e.type == pygame.TEXTINPUT:
            self.typed = (self.typed + e.text)[:200]
        elif e.type == pygame.KEYDOWN:
            self.key(e.key)
        elif e.type == pygame.MOUSEWHEEL:
            self.scroll(e.y)
        elif e.type == pygame.QUIT:
            self.running = False

    def write(self, text, x, y, colour):
        return x + self.screen.blit(self.font.render(text, True, colour), (x, y)).width

    def draw(self):
        self.screen.fill(BACKGROUND)
        y = HEIGHT - 2 * LINE - 2 * MARGIN
        for player, msg in list(self.lines)[len(self.lines) - self.back - 1 :: -1]:  # from the newest up
            if y < MARGIN:
                break
            if player:
                colour = COLOURS[zlib.crc32(player.encode()) % len(COLOURS)]  # the same on every computer
                self.write(msg, self.write(player + "  ", MARGIN, y, colour), y, TEXT)
            else:
                self.write(msg, MARGIN, y, TEXT if player is None else FAINT)
            y -= LINE
        pygame.draw.rect(self.screen, PANEL, (0, HEIGHT - LINE - 2 * MARGIN, WIDTH, LINE + 2 * MARGIN))
        y = HEIGHT - LINE - MARGIN + 4
        if self.typed:
            end = self.write(self.typed[-70:], MARGIN, y, TEXT)
            pygame.draw.rect(self.screen, TEXT, (end + 2, y - 2, 2, LINE - 4))
        else:
            self.write("Type something and press Enter", MARGIN, y, FAINT)
        pygame.display.flip()


def main(name="guest", host="localhost", port=10000, adapter=("enet", "socket")):
    net.init(events=True, n_module=adapter)
    pygame.init()
    with net.Client() as client:  # its end says goodbye to the server
        window = ChatWindow(client.connect(host, int(port)), name)
        clock = pygame.time.Clock()
        while window.running:
            client.update()
            for e in pygame.event.get():
                window.handle(e)
            window.draw()
            clock.tick(60)
    pygame.quit()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        print("bye")
