"""The example programs of pygnetic, to read, run and copy; each file says at its top what it shows."""

import sys

# They import each other as a reader starts them, from their own folder; so they do with python -m
sys.path.insert(0, __path__[0])
