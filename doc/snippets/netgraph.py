"""A window whose F3 key shows and hides the net graph."""

import pygame
import pygnetic as net
from pygnetic.netgraph import NetGraph

position = net.register('position', ('x', 'y'), reliable=False)
net.init(n_module='memory')  # both ends in this program, so that you can try it alone
pygame.init()
screen = pygame.display.set_mode((640, 480))
server, client = net.Server(), net.Client()
connection = client.connect(*server.address)

graph, shown, running = NetGraph(connection), False, True
while running:
    server.broadcast(position, *pygame.mouse.get_pos())
    server.update()
    client.update()
    for e in pygame.event.get():
        if e.type == pygame.QUIT:
            running = False
        elif e.type == pygame.KEYDOWN and e.key == pygame.K_F3:
            shown = not shown
    screen.fill('darkgreen')  # here you draw your game
    if shown:
        graph.draw(screen)
    else:
        graph.update()  # it goes on counting, and has something to show when F3 is pressed
    pygame.display.flip()
    pygame.time.wait(16)  # about 60 frames a second
client.close()
server.close()
