"""The messages that a game's file registers, for ``python -m pygnetic ping --with``."""

import os
import runpy
import sys
import traceback

from pygnetic import message
from pygnetic.message import MessageFactory

__all__: list[str] = []


def description(path: str) -> str:
    """Run a file as an import would, and describe the messages that it registers.

    :raises ValueError: it cannot be run, or registers none; the text is a sentence.
    """
    folder, name = os.path.split(os.path.abspath(path))
    sys.path.insert(0, folder)  # it may import what is beside it
    try:
        names = runpy.run_path(path, run_name=os.path.splitext(name)[0])
        return _factory(path, names).description()
    except (OSError, SyntaxError) as error:  # these name the file and the line
        raise ValueError(f"{path} cannot be read: {error}") from None
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
        where = f", line {lines[-1]}" if lines else ""
        raise ValueError(f"{path}{where}: {type(error).__name__}: {error}") from None
    finally:
        sys.path.remove(folder)


def _factory(path: str, names: dict[str, object]) -> MessageFactory:
    default = message.message_factory
    if len(default.classes) > 1:  # the first is the library's own
        return default
    own = {id(value): value for value in names.values() if isinstance(value, MessageFactory) and value is not default}
    if len(own) != 1:
        many = f"has {len(own)} MessageFactories of its own" if own else "registers no messages"
        raise LookupError(f"it {many}; name the file that registers the server's")
    return next(iter(own.values()))
