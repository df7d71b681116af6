"""What a user may have meant: the near name, and what to do instead."""

from collections.abc import Iterable

__all__: list[str] = []


def suggestion(wrong: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``; did you mean 'x'?`` if a known name is near."""
    import difflib  # costs 2 ms to import, and most programs never need it

    near = difflib.get_close_matches(wrong, list(known), 1, cutoff)
    return f"; did you mean {near[0]!r}?" if near else ""


def advice(wrong: str, known: Iterable[str]) -> str:
    """Return which message was meant, or how there can be one."""
    return suggestion(wrong, known) or "; register() it on both sides, before Server() or connect()"


def no_message(call: str, given: object) -> str:
    """Say what can be sent instead of something that is neither a name nor a class."""
    what = "a plain tuple" if given is tuple else repr(given)  # of a tuple, its class is looked up
    return f"{call}() takes a message class, its name or a message, not {what}"


def unregistered(message_class: object, classes: Iterable[type], what: str) -> str:
    """Explain why an object cannot be sent as a message, and what to do.

    :param classes: the message classes that can be sent.
    :param what: the sentence for an unknown name, with {} in its place: "{} is no message class of this factory".
    """
    name = getattr(message_class, "__name__", repr(message_class))
    known = {known.__name__: known for known in classes}
    for base in getattr(message_class, "__mro__", ()):
        if base in known.values():
            base = base.__name__
            return f"{name} is a subclass of the message class {base}; only that can be sent, such as {base}(*message)"
    if name in known:
        return f"this {name} was registered with another MessageFactory; take this one's class, or the name {name!r}"
    return what.format(name) + advice(name, known)
