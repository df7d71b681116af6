import sys, textwrap, pygame
import pygnetic as net
import messages

name = sys.argv[1] if len(sys.argv) > 1 else 'Tom'
address = sys.argv[2] if len(sys.argv) > 2 else 'localhost'
lines, typed, running = ['connecting ...'], '', True

class Me(net.Handler):
    def on_connect(self):
        lines.append('connected')
        self.connection.net_join(name)
    def net_chat_msg(self, message):
        lines.append(f'{message.player}: {message.msg}')
    def on_disconnect(self):
        lines.extend(textwrap.wrap(str(self.connection.reason), 52))

net.init()
pygame.init()
screen, font = pygame.display.set_mode((480, 320)), pygame.font.Font(None, 26)
client = net.Client()
connection = client.connect(address, 10000)
connection.add_handler(Me())
while running:
    client.update()  # once a frame: sends, receives, calls the methods of Me
    for e in pygame.event.get():
        if e.type == pygame.QUIT:
            running = False
        elif e.type == pygame.TEXTINPUT:
            typed += e.text
        elif e.type == pygame.KEYDOWN and e.key == pygame.K_BACKSPACE:
            typed = typed[:-1]
        elif e.type == pygame.KEYDOWN and e.key == pygame.K_RETURN:
            connection.net_say(typed)
            typed = ''
    screen.fill('black')
    for row, line in enumerate([*lines[-10:], f'{name}: {typed}_']):
        screen.blit(font.render(line, True, 'white'), (10, 10 + 26 * row))
    pygame.display.flip()
    pygame.time.wait(16)  # about 60 frames a second
client.close(1000)  # waits up to a second until the server knows
