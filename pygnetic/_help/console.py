"""Where the library's log is shown while the game has set up no logging of its own."""

import logging
import sys

__all__: list[str] = []

_logger = logging.getLogger("pygnetic")
# The logger's level while the game has not chosen one: everything comes to _passes(). Nobody else would choose it.
_OURS = 1


class _Console(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to stderr, and steps back while the root logger has handlers, which write the same lines."""

    def emit(self, record: logging.LogRecord) -> None:
        if not logging.root.handlers:
            self.stream = sys.stderr  # as it is now
            super().emit(record)


_console = _Console()
_console.setFormatter(logging.Formatter("%(asctime)-8s %(levelname)-8s %(message)s", "%H:%M:%S"))
_level = logging.INFO


def _passes(record: logging.LogRecord) -> bool:
    """A filter of the logger: decide by the level given to :func:`show`, until the game has chosen one of its own."""
    if _logger.level != _OURS:
        return True
    if logging.root.handlers:
        _logger.setLevel(logging.NOTSET)  # from now on the root logger decides, as for any other logger
        return _logger.isEnabledFor(record.levelno)
    return record.levelno >= _level


def show(level: int) -> None:
    """Show the log from a level on; what the game sets up, before or after this, goes first."""
    global _level
    if logging.root.handlers:
        return
    _level = level
    _logger.setLevel(_OURS)
    _logger.addFilter(_passes)
    _logger.addHandler(_console)
