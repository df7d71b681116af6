"""From the name of an adapter to the adapter."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeGuard, TypeVar

__all__: list[str] = []

_logger = logging.getLogger("pygnetic")


A = TypeVar("A")


@dataclass(frozen=True)
class Record:
    """What is known of an adapter before it is imported.

    :param name: what users call it.
    :param purpose: what it is for, in a few words.
    :param library: the module that it is about; "" when it needs none.
    :param packages: the pip packages that have this library, the one to install first.
    """

    name: str
    purpose: str
    library: str = ""
    packages: tuple[str, ...] = ()

    @property
    def install(self) -> str:
        """The pip package to install; "" when none is needed."""
        return self.packages[0] if self.packages else ""


class Unusable(ImportError):
    """An adapter cannot be imported.

    :param text: a sentence that names the adapter.
    :param cure: what is wrong or what to do, for a table in which the adapter is named already.
    :param broken: something that should work does not; else a library is simply not installed.
    """

    def __init__(self, text: str, cure: str, broken: bool = True) -> None:
        super().__init__(text)
        self.cure = cure
        self.broken = broken


class AdapterRegistry(Generic[A]):
    """The adapters of one kind.

    :param kind: what they are called, such as "network".
    :param records: what is known of each.
    :param loaders: by name, what imports each by a plain statement, which PyInstaller and its like can read.
    :param is_adapter: tells whether an object given instead of a name is an adapter.
    """

    def __init__(
        self,
        kind: str,
        records: Iterable[Record],
        loaders: Mapping[str, Callable[[], A]],
        is_adapter: Callable[[object], TypeGuard[A]],
    ) -> None:
        self.kind = kind
        self.records = {record.name: record for record in records}
        self.loaders = loaders
        self.is_adapter = is_adapter

    def load(self, name: str) -> A:
        """Import one adapter by name.

        :raises ValueError: the name is not known.
        :raises Unusable: its library is not installed, or does not load; the text says what to do.
        """
        if name not in self.records:
            raise ValueError(f"no {self.kind} adapter is called {name!r}; there are {', '.join(self.records)}")
        record = self.records[name]
        try:
            return self.loaders[name]()
        except Exception as error:  # a library of another version or machine may raise anything
            raise _unusable(record, error) from error

    def get(self, names: object) -> A:
        """Return the first usable adapter of ``names``: a name, an adapter, or a list of these.

        Unknown names and missing libraries in a list are skipped; what is there and broken is told in the log.

        :raises ImportError: none is usable; the text has the pip lines.
        """
        choices: list[object] = [names] if isinstance(names, str) or not isinstance(names, Iterable) else list(names)
        trouble: list[Exception] = []
        for choice in choices:
            if not isinstance(choice, str):
                if not self.is_adapter(choice):
                    raise TypeError(
                        f"{choice!r} is no {self.kind} adapter; give one of the names {', '.join(self.records)}, "
                        "or a module or class that keeps the contract (see the documentation, 'adapters')"
                    )
                adapter = choice
            else:
                try:
                    adapter = self.load(choice)
                except (Unusable, ValueError) as error:
                    trouble.append(error)
                    continue
            for skipped in trouble:
                if isinstance(skipped, Unusable) and skipped.broken:
                    _logger.warning("%s", skipped)
            return adapter
        told = "; ".join(map(str, trouble)) or "the list of names is empty"
        raise ImportError(f"no {self.kind} adapter is usable: {told}")


def _unusable(record: Record, error: Exception) -> Unusable:
    missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    if missing.partition(".")[0] == "pygnetic":
        cure = (
            f"{missing}, a part of pygnetic, is missing; install pygnetic again, or, if this program is a bundle, "
            f"bundle that module, too (PyInstaller: --hidden-import {missing})"
        )
        return Unusable(f"the {record.name} adapter cannot be used: {cure}", cure)
    if record.library and missing == record.library:
        cure = f"pip install {record.install}"
        return Unusable(f"the {record.name} adapter needs a library that is not installed: {cure}", cure, broken=False)
    cure = f"there, but does not load: {error}"
    return Unusable(f"the {record.name} adapter's library is {cure}", cure)


def name_of(adapter: object) -> str:
    """Return what the log calls an adapter, such as ``enet_adapter``."""
    name = getattr(adapter, "__name__", type(adapter).__name__)  # a codec may be any object
    return str(name).rpartition(".")[2]


class Selection(Generic[A]):
    """The adapter that programs use when they do not name one.

    :param registry: the adapters to choose from.
    :param names: what is tried, in this order, while nothing else was selected.
    """

    def __init__(self, registry: AdapterRegistry[A], names: tuple[str, ...]) -> None:
        self.registry = registry
        self.names: object = names
        self.adapter: A | None = None

    def select(self, names: object) -> A | None:
        """Choose; log which one it is; None when no adapter of ``names`` is usable."""
        self.names, self.adapter = names, None
        try:
            self.adapter = self.registry.get(names)
        except ImportError as error:
            _logger.critical("%s", error)
        else:
            _logger.info("Using %s", name_of(self.adapter))
        return self.adapter

    def current(self) -> A:
        """Return the selected adapter, or the first usable default.

        :raises ImportError: none is usable; the text has the pip lines.
        """
        if self.adapter is None:
            self.adapter = self.registry.get(self.names)
        return self.adapter
