"""The arena's window. Shows a game loop that is driven by pygame events, of which the network's are some.

arena.py opens it, and this file does the same: python arena_window.py --join HOST

Keys: arrows or WASD steer; Enter begins a line of chat and sends it; Escape leaves the line, or the game; F3 shows the
net graph.
"""

import contextlib
import sys

import pygame

from pygnetic import event
from pygnetic.netgraph import NetGraph

PANEL, CHAT = 220, 140  # the width of the scores and the height of the chat, in pixels
FPS = 60
BACKGROUND, GRID, DARK, TEXT, FAINT, GOLD = "#16181d", "#1c1f25", "#22262e", "#f0f0f0", "#8a919e", "#f2cc60"
COLOURS = ["#ff7b72", "#79c0ff", "#7ee787", "#d2a8ff", "#ffa657", "#56d4dd", "#ff9bce", "#a5b4fc"]


def has_screen():
    """Tell whether anybody can see a window."""
    with contextlib.suppress(pygame.error):
        pygame.display.init()
        return pygame.display.get_driver() not in ("dummy", "offscreen")
    return False


class Window:
    def __init__(self, client, connection, player, size):
        self.client, self.connection, self.player, (self.width, self.height) = client, connection, player, size
        self.running, self.frame = True, 0
        self.typed = None  # the line of chat, while one is being typed
        self.drawn = {}  # where we drew each player last
        self.graph, self.graph_shown = NetGraph(connection), False
        pygame.display.init()
        pygame.display.set_caption("pygnetic arena")
        self.screen = pygame.display.set_mode((self.width + PANEL, self.height + CHAT))
        pygame.font.init()
        self.font, self.clock = pygame.font.Font(None, 22), pygame.time.Clock()

    def update(self, by_itself):
        """Do all that belongs to one frame."""
        self.client.update()
        for e in pygame.event.get():
            if e.type == event.NETWORK:
                self.network_event(e)
            elif e.type == pygame.QUIT:
                self.running = False
            elif e.type == pygame.TEXTINPUT and self.typed is not None:
                self.typed = (self.typed + e.text)[:80]
            elif e.type == pygame.KEYDOWN:
                self.key(e.key)
        self.frame += 1
        if self.frame % 2:  # 30 times a second
            self.connection.net_steer(*(self.player.way() if by_itself else self.keys()))
        self.draw()
        pygame.display.flip()
        self.clock.tick(FPS)

    def network_event(self, e):
        if e.net_type == event.NET_CONNECTED:
            self.connection.net_join(self.player.name)
        elif e.net_type == event.NET_DISCONNECTED:
            self.running = False  # self.connection.reason tells why
        elif e.net_type == event.NET_RECEIVED:
            self.player.on_receive(e.message)

    def key(self, key):
        if key == pygame.K_RETURN and self.typed is None:
            self.typed = ""
        elif key == pygame.K_RETURN:
            if self.typed:
                self.connection.net_say(self.typed)
            self.typed = None
        elif key == pygame.K_BACKSPACE and self.typed:
            self.typed = self.typed[:-1]
        elif key == pygame.K_F3:
            self.graph_shown = not self.graph_shown
        elif key == pygame.K_ESCAPE and self.typed is None:
            self.running = False
        elif key == pygame.K_ESCAPE:
            self.typed = None

    def keys(self):
        """Return the way that the keys which are held point to."""
        if self.typed is not None:
            return 0, 0
        held = pygame.key.get_pressed()
        dx = (held[pygame.K_RIGHT] or held[pygame.K_d]) - (held[pygame.K_LEFT] or held[pygame.K_a])
        dy = (held[pygame.K_DOWN] or held[pygame.K_s]) - (held[pygame.K_UP] or held[pygame.K_w])
        return dx, dy

    def draw(self):
        self.screen.fill(BACKGROUND)
        for step in range(0, self.width, 60):
            pygame.draw.line(self.screen, GRID, (step, 0), (step, self.height))
            pygame.draw.line(self.screen, GRID, (0, step), (self.width, step))
        for place in self.player.coins:
            pygame.draw.circle(self.screen, GOLD, place, 8)
            pygame.draw.circle(self.screen, "#a8842c", place, 8, 2)
        names = {i: name for i, name, _, _ in self.player.rows}
        drawn, self.drawn = self.drawn, {}
        for i, (x, y) in self.player.places.items():
            # 30 places come in a second; a third of the way to the last one, each frame, looks smooth
            old_x, old_y = drawn.get(i, (x, y))
            self.drawn[i] = x, y = old_x + (x - old_x) / 3, old_y + (y - old_y) / 3
            self.draw_square(i, x, y, 28)
            if i == self.player.me:
                pygame.draw.rect(self.screen, TEXT, (x - 14, y - 14, 28, 28), 2, border_radius=6)
            self.write(names.get(i, ""), x, y - 18, TEXT if i == self.player.me else FAINT, "midbottom")
        self.draw_chat()
        self.draw_scores()
        self.graph.update()  # so that it has a history when it is shown
        if self.graph_shown:
            self.graph.draw(self.screen, (8, self.height - 128, 320, 120))

    def draw_square(self, i, x, y, size):
        pygame.draw.rect(
            self.screen, COLOURS[i % len(COLOURS)], (x - size // 2, y - size // 2, size, size), border_radius=size // 5
        )

    def draw_chat(self):
        colours = {name: COLOURS[i % len(COLOURS)] for i, name, _, _ in self.player.rows}
        y = self.height + 10
        pygame.draw.rect(self.screen, DARK, (0, self.height, self.width, CHAT))
        for name, text in self.player.lines:
            end = self.write(name + "  ", 16, y, colours.get(name, FAINT)) if name else 16
            self.write(text, end, y, TEXT if name else FAINT)
            y += 20
        if self.typed is None:
            self.write("Enter: chat    F3: net graph", 16, self.height + CHAT - 24, FAINT)
        else:
            self.write(f"> {self.typed}_", 16, self.height + CHAT - 24)

    def draw_scores(self):
        left, right, y = self.width + 16, self.width + PANEL - 16, 16
        pygame.draw.rect(self.screen, DARK, (self.width, 0, PANEL, self.height + CHAT))
        self.write("coins", right - 48, y, FAINT, "topright")
        self.write("ms", right, y, FAINT, "topright")
        for i, name, score, rtt in sorted(self.player.rows, key=lambda row: -row[2]):
            y += 26
            self.draw_square(i, left + 7, y + 7, 14)
            self.write(name, left + 24, y)
            self.write(str(score), right - 48, y, TEXT, "topright")
            self.write(f"{rtt:.1f}", right, y, FAINT, "topright")
        self.write(f"round trip {self.connection.rtt:.1f} ms", left, self.height + CHAT - 24, FAINT)

    def save(self, file):
        pygame.image.save(self.screen, file)

    def write(self, text, x, y, colour=TEXT, corner="topleft"):
        """Draw a text and return where it ends."""
        image = self.font.render(text, True, colour)
        return self.screen.blit(image, image.get_rect(**{corner: (x, y)})).right


def main():
    import arena

    return arena.main()


if __name__ == "__main__":
    sys.exit(main())
