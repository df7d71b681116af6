"""From the name of an adapter to the adapter."""

import importlib
import logging
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

__all__: list[str] = []

_logger = logging.getLogger("pygnetic")


class Shelf:
    """The adapters of one kind: what their names are, and what to install when one cannot be imported.

    :param package: the package that holds ``<name>_adapter`` modules.
    :param installs: name to the pip package it needs; "" when it needs none.
    :param is_adapter: tells whether an object given instead of a name is an adapter.
    """

    def __init__(self, package: str, installs: dict[str, str], is_adapter: Callable[[Any], bool]) -> None:
        self.package = package
        self.kind = package.rpartition(".")[2]
        self.installs = installs
        self.is_adapter = is_adapter

    def load(self, name: str) -> ModuleType:
        """Import one adapter by name.

        :raises ValueError: the name is not known.
        :raises ImportError: its library is missing; the text has the pip line.
        """
        if name not in self.installs:
            raise ValueError(f"no {self.kind} adapter is called {name!r}; there are {', '.join(self.installs)}")
        try:
            return importlib.import_module(f"{self.package}.{name}_adapter")
        except ImportError as error:
            package = self.installs[name]
            if not package:
                raise
            raise ImportError(
                f"the {name} adapter needs a library that is not installed: pip install {package}"
            ) from error

    def get(self, names: Any) -> Any:
        """Return the first usable adapter of ``names``: a name, an adapter, or a list of these.

        Unknown names and missing libraries in a list are skipped.

        :raises ImportError: none is usable; the text has the pip lines.
        """
        choices = [names] if isinstance(names, str) or not isinstance(names, Iterable) else list(names)
        trouble: list[str] = []
        for choice in choices:
            if not isinstance(choice, str):
                if self.is_adapter(choice):
                    return choice
                raise TypeError(
                    f"{choice!r} is no {self.kind} adapter; give one of the names {', '.join(self.installs)}, "
                    "or a module or class that keeps the contract (see the documentation, 'adapters')"
                )
            try:
                return self.load(choice)
            except (ImportError, ValueError) as error:
                trouble.append(str(error))
        raise ImportError(f"no {self.kind} adapter is usable: " + ("; ".join(trouble) or "the list of names is empty"))


def name_of(adapter: Any) -> str:
    """Return what the log calls an adapter, such as ``enet_adapter``."""
    name = getattr(adapter, "__name__", type(adapter).__name__)  # a codec may be any object
    return str(name).rpartition(".")[2]


class Selection:
    """The adapter that programs use when they do not name one.

    :param shelf: the adapters to choose from.
    :param names: what is tried, in this order, while nothing else was selected.
    """

    def __init__(self, shelf: Shelf, names: tuple[str, ...]) -> None:
        self.shelf = shelf
        self.names: Any = names
        self.adapter: Any = None

    def select(self, names: Any) -> Any:
        """Choose; log which one it is; None when no adapter of ``names`` is usable."""
        self.names, self.adapter = names, None
        try:
            self.adapter = self.shelf.get(names)
        except ImportError as error:
            _logger.critical("%s", error)
        else:
            _logger.info("Using %s", name_of(self.adapter))
        return self.adapter

    def current(self) -> Any:
        """Return the selected adapter, or the first usable default.

        :raises ImportError: none is usable; the text has the pip lines.
        """
        if self.adapter is None:
            self.adapter = self.shelf.get(self.names)
        return self.adapter
