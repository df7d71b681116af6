"""Deliveries: how the packets of a message travel."""

from typing import Any, NamedTuple

from pygnetic._help.hints import suggestion

__all__: list[str] = []

# ENet has a channel for reliable and one for unreliable packets for each of ours, and keeps 80 bytes for each of its.
_MOST_CHANNELS = 32
# The 2012 spelling of delivery: ENet's packet flags.
_FLAGS = {0: (False, True), 1: (True, True), 2: (False, False)}


class Delivery(NamedTuple):
    """How the packets of a message travel."""

    channel: int = 0
    reliable: bool = True
    ordered: bool = True

    def __str__(self) -> str:
        words = ["reliable" if self.reliable else "unreliable"]
        words += ["unordered"] * (not self.ordered)
        words += [f"channel {self.channel}"] * (self.channel != 0)
        return ", ".join(words)


def delivery_of(name: str, kwargs: dict[str, Any]) -> Delivery:
    """Return the delivery that the keywords of ``register()`` ask for.

    :param name: the message's, for error texts.
    :raises ValueError: a keyword is unknown, or has an invalid value.
    """
    unknown = set(kwargs) - {"reliable", "ordered", "channel", "flags"}
    if unknown:
        wrong = sorted(unknown)[0]
        raise ValueError(
            f"register({name!r}) does not know {wrong!r}; it knows reliable, ordered, channel and flags"
            + suggestion(wrong, ("reliable", "ordered", "channel", "flags"))
        )
    channel = kwargs.get("channel", 0)
    if type(channel) is not int or not 0 <= channel < _MOST_CHANNELS:
        raise ValueError(f"register({name!r}): channel is {channel!r}; it must be 0 to {_MOST_CHANNELS - 1}")
    if "flags" not in kwargs:
        reliable, ordered = kwargs.get("reliable", True), kwargs.get("ordered", True)
        for keyword, value in (("reliable", reliable), ("ordered", ordered)):
            if not isinstance(value, bool):  # "no" would mean yes
                raise ValueError(f"register({name!r}): {keyword} is {value!r}; it is True or False")
        return Delivery(channel, reliable, reliable or ordered)
    flags = kwargs["flags"]
    if type(flags) is not int or flags not in _FLAGS or "reliable" in kwargs or "ordered" in kwargs:
        raise ValueError(
            f"register({name!r}): flags is {flags!r}; it can be 1 (reliable), 0 (unreliable, in order) or "
            "2 (unsequenced), and then there is no reliable= or ordered="
        )
    return Delivery(channel, *_FLAGS[flags])
