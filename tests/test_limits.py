"""The numbers that keep strangers from hurting a game."""

import dataclasses
import re

import pytest

from pygnetic.limits import DEFAULT, Limits

DESIGN = {
    "packet_size": 64 * 1024,
    "unreliable_size": 1200,
    "unsent": 1024 * 1024,
    "messages": 256,
    "io_time": 5.0,
    "backlog": 1024 * 1024,
    "connect_time": 5.0,
    "idle_time": 10.0,
    "close_time": 3.0,
    "resolve_time": 2.0,
    "nesting": 16,
    "container": 1024,
    "strangers": 64,
}


def test_the_defaults() -> None:
    assert dataclasses.asdict(Limits()) == DESIGN
    assert Limits() == DEFAULT


def test_they_are_fixed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULT.unsent = 5  # type: ignore[misc]


def test_one_can_be_replaced() -> None:
    assert dataclasses.asdict(Limits(unsent=1)) == {**DESIGN, "unsent": 1}
    assert dataclasses.replace(DEFAULT, nesting=2).nesting == 2


@pytest.mark.parametrize("name", DESIGN)
def test_sizes_and_counts_are_whole_numbers_and_times_need_not_be(name: str) -> None:
    if name.endswith("_time"):
        assert getattr(Limits(**{name: 0.5}), name) == 0.5
    else:
        with pytest.raises(ValueError, match=rf"Limits\({name}=8\.0\): it is a whole number above 0"):
            Limits(**{name: 8.0})
    for wrong in (0, -1, "8", None):
        with pytest.raises(ValueError, match=rf"Limits\({name}={wrong!r}\): it is a (whole )?number above 0"):
            Limits(**{name: wrong})


def test_every_limit_says_what_it_is() -> None:
    assert set(re.findall(r":param (\w+):", Limits.__doc__ or "")) == set(DESIGN)
