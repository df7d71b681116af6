"""From the names of adapters to adapters: _adapters, network, serialization and init()."""

import ast
import builtins
import gc
import importlib.machinery
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import pygnetic as net
from pygnetic import netgraph, network, serialization
from pygnetic.limits import Limits
from pygnetic.message import MessageFactory
from pygnetic.network import memory_adapter, socket_adapter
from pygnetic.serialization import json_adapter

KINDS = pytest.mark.parametrize(
    ("package", "usable", "adapter"),
    [(network, "memory", memory_adapter), (serialization, "json", json_adapter)],
    ids=["network", "serialization"],
)
PACKAGES = Path(net.__file__).parent.parent
LIBRARIES = [
    (network, "enet", "enet", "pyenet-vladfi"),
    (serialization, "msgpack", "msgpack", "msgpack"),
    (serialization, "msgspec", "msgspec", "msgspec"),
]


def hide(monkeypatch: pytest.MonkeyPatch, package: Any, name: str, library: str) -> None:
    """Make it as if a library were not installed."""
    monkeypatch.delitem(sys.modules, f"{package.__name__}.{name}_adapter", raising=False)
    monkeypatch.setitem(sys.modules, library, None)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """The log so far, as "LEVEL text"."""
    with caplog.at_level(logging.INFO, "pygnetic"):

        class Lines(list[str]):
            def __eq__(self, other: object) -> bool:
                return [f"{r.levelname} {r.getMessage()}" for r in caplog.records] == other

            __hash__ = None  # type: ignore[assignment]

        yield Lines()


# -- one name, a list of names


@KINDS
def test_by_name(package: Any, usable: str, adapter: Any) -> None:
    assert package.get_adapter(usable) is adapter
    assert package.get_adapter([usable]) is adapter
    assert package.get_adapter(name for name in [usable]) is adapter


@KINDS
def test_get_does_not_select(package: Any, usable: str, adapter: Any, log: list[str]) -> None:
    package.get_adapter(usable)
    assert package.selected_adapter is None
    assert log == []


@KINDS
def test_unknown_names_in_a_list_are_skipped(package: Any, usable: str, adapter: Any) -> None:
    assert package.get_adapter(["pigeon", "", usable, "other"]) is adapter


@KINDS
def test_the_first_usable_one_is_taken(package: Any, usable: str, adapter: Any) -> None:
    mine = ModuleType("mine")
    mine.__dict__.update(vars(adapter))
    assert package.get_adapter([mine, usable]) is mine
    assert package.get_adapter([usable, mine]) is adapter


@KINDS
@pytest.mark.parametrize("names", [[], "pigeon", ["pigeon", "drum"]])
def test_none_usable(package: Any, usable: str, adapter: Any, names: Any, log: list[str]) -> None:
    kind = package.__name__.partition(".")[2]
    with pytest.raises(ImportError, match=f"^no {kind} adapter is usable: ") as caught:
        package.get_adapter(names)
    if names:
        assert f"no {kind} adapter is called 'pigeon'; there are " in str(caught.value)
        assert usable in str(caught.value)
    else:
        assert str(caught.value).endswith("the list of names is empty")
    assert package.select_adapter(names) is None
    assert log == [f"CRITICAL {caught.value}"]


@KINDS
@pytest.mark.parametrize("wrong", [5, None, object(), SimpleNamespace(), sys])
def test_what_is_no_adapter(package: Any, usable: str, adapter: Any, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"is no \w+ adapter; give one of the names .* or a module or class"):
        package.get_adapter(wrong)
    with pytest.raises(TypeError):
        package.get_adapter(["pigeon", wrong])


@pytest.mark.parametrize(("package", "name", "library", "pip"), LIBRARIES)
def test_missing_library(
    monkeypatch: pytest.MonkeyPatch, package: Any, name: str, library: str, pip: str, log: list[str]
) -> None:
    hide(monkeypatch, package, name, library)
    with pytest.raises(ImportError, match=f"the {name} adapter needs a library.*: pip install {pip}$"):
        package.get_adapter(name)
    usable = "memory" if package is network else "json"
    package.select_adapter([name, usable])
    assert log == [f"INFO Using {usable}_adapter"]


@pytest.mark.parametrize(("package", "name", "library", "pip"), LIBRARIES)
def test_present_library(package: Any, name: str, library: str, pip: str) -> None:
    pytest.importorskip(library)
    assert package.get_adapter(name) is importlib.import_module(f"{package.__name__}.{name}_adapter")


ALL = [(package, name) for package in (network, serialization) for name in package.registry.records]


@pytest.mark.parametrize(("package", "name"), ALL)
def test_a_module_of_ours_that_is_missing_is_not_called_not_installed(
    monkeypatch: pytest.MonkeyPatch, package: Any, name: str
) -> None:
    """A bundle was made without it: no pip line helps."""
    module = f"{package.__name__}.{name}_adapter"
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"^no \w+ adapter is usable: .* {module}, .* is missing") as caught:
        package.get_adapter(name)
    assert "not installed" not in str(caught.value) and "pip install" not in str(caught.value)
    assert f"--hidden-import {module}" in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        ImportError("DLL load failed while importing {}: The specified module could not be found."),
        OSError("libstdc++.so.6: version `GLIBCXX_3.4.29' not found"),
        ModuleNotFoundError("No module named 'what_it_needs'", name="what_it_needs"),
        SystemError("initialization of {} raised unreported exception"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize(("package", "name", "library", "pip"), LIBRARIES)
def test_a_library_that_does_not_load_shows_its_own_error(
    monkeypatch: pytest.MonkeyPatch, package: Any, name: str, library: str, pip: str, error: Exception, log: list[str]
) -> None:
    def load(*args: Any, **kwargs: Any) -> Any:
        raise error

    hide(monkeypatch, package, name, library)
    monkeypatch.delitem(sys.modules, library)
    monkeypatch.setattr(sys, "meta_path", [FakeFinder(library, load), *sys.meta_path])
    with pytest.raises(ImportError) as caught:
        package.get_adapter(name)
    told = f"the {name} adapter's library is there, but does not load: {error}"
    assert str(caught.value).endswith(told)
    # two computers of which one took another adapter do not meet, so this is said without being asked
    usable = "memory" if package is network else "json"
    assert package.select_adapter([name, usable]).__name__.endswith(f"{usable}_adapter")
    assert log == [f"WARNING {told}", f"INFO Using {usable}_adapter"]


class FakeFinder:
    """Finds one module, and runs a function instead of its code."""

    def __init__(self, name: str, run: Any) -> None:
        self.name, self.run = name, run

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return importlib.machinery.ModuleSpec(name, self) if name == self.name else None

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        self.run()


@pytest.mark.parametrize(("package", "name"), ALL)
def test_what_makes_bundles_sees_each_adapter(package: Any, name: str) -> None:
    """PyInstaller, cx_Freeze and Nuitka read import statements; they see no name that is computed."""
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert f"{package.__name__}.{name}_adapter" in imported


def test_an_adapter_that_is_not_used_is_not_imported() -> None:
    program = (
        "import sys, pygnetic; pygnetic.init(logging_lvl=None, n_module='socket', s_module='json'); "
        "print(sorted(name for name in sys.modules if name.endswith('_adapter')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PACKAGES)
    assert done.stdout == "['pygnetic.network.socket_adapter', 'pygnetic.serialization.json_adapter']\n", done.stderr


# -- selecting


@KINDS
def test_select(package: Any, usable: str, adapter: Any, log: list[str]) -> None:
    assert package.select_adapter(usable) is adapter
    assert package.selected_adapter is adapter is package.current_adapter()
    assert log == [f"INFO Using {usable}_adapter"]


@KINDS
def test_a_failed_selection_undoes_the_one_before(package: Any, usable: str, adapter: Any) -> None:
    package.select_adapter(usable)
    assert package.select_adapter("pigeon") is None
    assert package.selected_adapter is None
    with pytest.raises(ImportError, match="'pigeon'"):
        package.current_adapter()


def test_defaults_without_init(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, network, "enet", "enet")
    hide(monkeypatch, serialization, "msgpack", "msgpack")
    assert network.current_adapter() is socket_adapter is network.selected_adapter
    assert serialization.current_adapter() is json_adapter is serialization.selected_adapter


@KINDS
def test_a_wrong_name_of_the_module(package: Any, usable: str, adapter: Any) -> None:
    with pytest.raises(AttributeError, match=r"module 'pygnetic\.\w+' has no attribute 'chosen_adapter'"):
        _ = package.chosen_adapter


def test_serialization_uses_the_selected_adapter() -> None:
    serialization.select_adapter("json")
    assert serialization.pack([1, "a"]) == b'[1,"a"]'
    assert serialization.unpack(b'[1,"a"]') == [1, "a"]
    unpacker = serialization.unpacker()
    unpacker.feed(b"[1][2")
    assert list(unpacker) == [[1]]


# -- adapters of one's own


class Mine(memory_adapter.Adapter):
    pass


def codec_object() -> Any:
    class Codec:
        wire_name = "mine"
        pack = staticmethod(json_adapter.pack)
        unpack = staticmethod(json_adapter.unpack)
        unpacker = staticmethod(json_adapter.unpacker)

    return Codec()


def test_a_network_adapter_may_be_a_class(log: list[str]) -> None:
    assert network.get_adapter(Mine) is network.get_adapter(["pigeon", Mine]) is Mine
    assert net.init(logging_lvl=None, n_adapter=Mine, s_module="json")
    assert log == ["INFO Using Mine", "INFO Using json_adapter"]
    with net.Client() as client:
        assert type(client._adapter) is Mine


def test_a_network_adapter_may_be_a_module() -> None:
    module = ModuleType("games.my_adapter")
    module.Adapter = Mine  # type: ignore[attr-defined]
    with net.Client(n_adapter=module) as client:
        assert type(client._adapter) is Mine
    with net.Client(n_adapter=["pigeon", module]) as client:
        assert type(client._adapter) is Mine


def test_a_module_without_adapter_is_none() -> None:
    with pytest.raises(TypeError, match="is no network adapter"):
        net.Client(n_adapter=logging)


def test_a_serialization_adapter_may_be_an_object(log: list[str]) -> None:
    codec = codec_object()
    assert net.init(logging_lvl=None, n_module="memory", s_adapter=codec)
    assert log == ["INFO Using memory_adapter", "INFO Using Codec"]
    assert serialization.selected_adapter is codec
    assert MessageFactory().s_adapter is codec is MessageFactory(codec).s_adapter
    assert MessageFactory(codec).description() == "mine"


def test_an_instance_chooses_for_itself() -> None:
    net.init(logging_lvl=None, n_module="socket", s_module="json")
    with net.Client(n_adapter="memory") as one, net.Client() as two:
        assert isinstance(one._adapter, memory_adapter.Adapter)
        assert isinstance(two._adapter, socket_adapter.Adapter)
    assert network.selected_adapter is socket_adapter


@pytest.mark.parametrize("end", [net.Client, net.Server])
def test_a_subclass_chooses_for_all_of_its_objects(end: type[Any]) -> None:
    net.init(logging_lvl=None, n_module="socket", s_module="json")

    class Mine(end):  # type: ignore[misc]
        n_adapter = "memory"
        limits = Limits(unsent=1000)

    class Own(Mine):
        n_adapter = memory_adapter  # type: ignore[assignment]

    with Mine() as one, Own() as two, Mine(n_adapter="socket", limits=Limits(unsent=3)) as three, end() as four:
        assert isinstance(one._adapter, memory_adapter.Adapter) and isinstance(two._adapter, memory_adapter.Adapter)
        assert one.limits.unsent == two.limits.unsent == 1000
        assert isinstance(three._adapter, socket_adapter.Adapter) and three.limits.unsent == 3
        assert isinstance(four._adapter, socket_adapter.Adapter) and four.limits == Limits()


@pytest.mark.parametrize("end", [net.Client, net.Server])
def test_what_a_subclass_chooses_is_checked(end: type[Any]) -> None:
    with pytest.raises(ImportError, match="pigeon"):
        type("Mine", (end,), {"n_adapter": "pigeon"})()
    with pytest.raises(TypeError, match=r"limits is a pygnetic.limits.Limits"):
        type("Mine", (end,), {"limits": {"unsent": 3}})(n_adapter="memory")


# -- init()


def test_init_takes_either_spelling() -> None:
    assert net.init(logging_lvl=None, n_module="pigeon", n_adapter="memory", s_module="pigeon", s_adapter="json")
    assert network.selected_adapter is memory_adapter and serialization.selected_adapter is json_adapter
    assert net.init(logging_lvl=None, n_module=("pigeon", "socket"), s_module=["json"])
    assert network.selected_adapter is socket_adapter


@pytest.mark.parametrize("modules", [{"n_module": "pigeon"}, {"s_module": "pigeon"}])
def test_init_returns_false(modules: dict[str, str]) -> None:
    assert net.init(logging_lvl=None, **{"n_module": "memory", "s_module": "json", **modules}) is False  # type: ignore[arg-type]


def test_without_a_network_adapter_a_client_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, network, "enet", "enet")
    assert net.init(logging_lvl=None, n_module="enet", s_module="json") is False
    for make in (net.Client, net.Server):
        with pytest.raises(ImportError, match="pip install pyenet-vladfi"):
            make()
    with pytest.raises(ImportError, match="pip install pyenet-vladfi"):
        net.Client(n_adapter="enet")


def test_without_a_serialization_adapter_a_server_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, serialization, "msgpack", "msgpack")
    assert net.init(logging_lvl=None, n_module="socket", s_module="msgpack") is False
    with pytest.raises(ImportError, match="pip install msgpack"):
        net.Server("127.0.0.1")
    gc.collect()  # a listening socket that it left open would warn now
    with net.Client() as client:
        with pytest.raises(ImportError, match="pip install msgpack"):
            client.connect("127.0.0.1", 9)
    with pytest.raises(ImportError, match="pip install msgpack"):
        MessageFactory("msgpack")


def test_events_without_pygame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(ImportError, match=r"events need pygame: pip install pygame-ce \(or pygame\)"):
        net.init(events=True, logging_lvl=None)
    assert net.event.post is None


@pytest.mark.parametrize("needs", ["init", "NetGraph"])
@pytest.mark.parametrize(
    "error",
    [ImportError("DLL load failed while importing base"), ModuleNotFoundError("No module named 'x'", name="x")],
    ids=["DLL", "module"],
)
def test_a_pygame_that_does_not_load_shows_its_own_error(
    monkeypatch: pytest.MonkeyPatch, error: Exception, needs: str
) -> None:
    def load() -> None:
        raise error

    monkeypatch.delitem(sys.modules, "pygame", raising=False)
    monkeypatch.setattr(sys, "meta_path", [FakeFinder("pygame", load), *sys.meta_path])
    with pytest.raises(ImportError, match=f"^{error}$"):
        if needs == "init":
            net.init(events=True, logging_lvl=None)
        else:
            netgraph.NetGraph(None)


def test_init_without_events_imports_no_pygame(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        assert name != "pygame"
        return original(name, *args, **kwargs)

    original = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", refuse)
    assert net.init(logging_lvl=None, n_module="memory", s_module="json")


@pytest.mark.parametrize("name", network.records)
def test_an_adapter_is_called_as_its_record_says(name: str) -> None:
    record = network.records[name]
    if record.library:
        pytest.importorskip(record.library)
    kind = network.adapter_class(network.get_adapter(name))
    assert (kind.title, getattr(kind, "other", "")) == (record.title, record.instead)
    assert not record.instead or network.records[record.instead].instead == name
