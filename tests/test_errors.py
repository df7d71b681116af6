"""The exception tree and the reasons, which are part of the protocol."""

import pytest

import pygnetic as net
from pygnetic.errors import DecodeError, DisconnectReason, MessageTooLarge, Reason


def test_both_errors_are_value_errors() -> None:
    assert issubclass(MessageTooLarge, ValueError) and issubclass(DecodeError, ValueError)
    assert not issubclass(MessageTooLarge, DecodeError) and not issubclass(DecodeError, MessageTooLarge)


def test_the_tree_names_every_error() -> None:
    text = net.errors.__doc__ or ""
    for name in ("ValueError", "MessageTooLarge", "DecodeError", "TypeError", "AttributeError", "RuntimeError",
                 "ImportError", "OSError"):  # fmt: skip
        assert name in text


def test_the_numbers_never_change() -> None:
    # they travel in BYE and REFUSE: a change breaks games of two versions that meet
    assert {reason.name: reason.value for reason in DisconnectReason} == {
        "CLOSED": 0, "KICKED": 1, "TIMEOUT": 2, "UNREACHABLE": 3, "LOST": 4, "SERVER_FULL": 5, "SCHEMA_MISMATCH": 6,
        "VERSION_MISMATCH": 7, "PROTOCOL_ERROR": 8, "OVERLOADED": 9,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (Reason(DisconnectReason.KICKED, "be nice"), "KICKED: be nice"),
        (Reason(DisconnectReason.LOST), "LOST"),
        (Reason(DisconnectReason.CLOSED, ""), "CLOSED"),
    ],
)
def test_a_reason_reads_well(reason: Reason, text: str) -> None:
    assert str(reason) == text
    assert reason.code is reason[0]
