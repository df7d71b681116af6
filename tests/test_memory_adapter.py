"""The corners of the memory adapter; the contract suite has the rest."""

from pygnetic.limits import DEFAULT
from pygnetic.network import memory_adapter


def test_memory_polls_never_wait_and_flush_does_nothing() -> None:
    adapter = memory_adapter.Adapter(limits=DEFAULT)
    adapter.flush()
    assert adapter.poll(1e9) == []
    adapter.close()
