"""Plays a person at the tutorial's window: python drive_window.py PICTURE ANSWERS WINDOW [ARGUMENTS]

ANSWERS is JSON: when a line is shown, its answer is typed. When the line that is the answer to "" is shown, the
PICTURE is saved and the window closed.
"""

import json
import runpy
import sys

import pygame

picture, answers = sys.argv[1], json.loads(sys.argv[2])
sys.argv = sys.argv[3:]
flip, seen = pygame.display.flip, 0


def one_frame():
    global seen
    flip()
    shown = sys._getframe(1).f_globals["lines"]
    for line in shown[seen:]:
        print(line, flush=True)
    if answers.get("") in shown[:seen]:  # drawn by now
        pygame.image.save(pygame.display.get_surface(), picture)
        pygame.event.post(pygame.event.Event(pygame.QUIT))
    for line in shown[seen:]:
        if answers.get(line):
            pygame.event.post(pygame.event.Event(pygame.TEXTINPUT, text=answers[line]))
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_RETURN))
    seen = len(shown)


pygame.display.flip = one_frame
sys.path.insert(0, "")
runpy.run_path(sys.argv[0], run_name="__main__")
