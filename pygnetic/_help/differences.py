"""Where the messages of a server and of a client differ, in one line for the programmer."""

from pygnetic._core.delivery import Delivery

__all__: list[str] = []

# Characters of a signature and of a name: two signatures, or six names, fit into a reason with the text around them.
_SIGNATURE = 150
_NAME = 40


def difference(server: str, client: str) -> str:
    """Say in one line where two descriptions of messages differ first.

    :param server: the server's description, which is not trusted: it is cut so that the client's fits beside it.
    """
    ours, theirs = client.split("\n"), server.split("\n")
    cure = "register the same in the same order"
    if ours[0] != theirs[0]:
        names = f"server: {_cut(theirs[0], _NAME)}; client: {ours[0]}"
        return f"the serializers differ: {names}; give the same s_module to init() on both sides"
    messages, others = ([line.partition(" ")[2] for line in lines[1:]] for lines in (ours, theirs))
    if messages != others and sorted(messages) == sorted(others):
        first = next(number for number, message in enumerate(messages) if message != others[number])
        names = f"server: {_next_names(others[first:])}; client: {_next_names(messages[first:])}"
        return f"the order of registration differs from message {first + 1} on: {names}; {cure}"
    for number in range(1, max(len(ours), len(theirs))):
        here = ours[number] if number < len(ours) else f"{number} nothing"
        there = theirs[number] if number < len(theirs) else f"{number} nothing"
        if here != there:
            type_id, _, message = here.partition(" ")
            other = there.partition(" ")[2]
            fields, delivery = _split(message)
            if (their := _split(other))[0] == fields:
                names = f"server: {_cut(their[1], _SIGNATURE)}; client: {delivery}"
                what = f"message {type_id} {_next_names([message])} is delivered differently: {names}"
                return f"{what}; register it with the same reliable=, ordered= and channel= on both sides"
            names = f"server: {_cut(other, _SIGNATURE)}; client: {_cut(message, _SIGNATURE)}"
            return f"message {type_id} differs: {names}; {cure}"
    return "the registered messages differ"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _split(message: str) -> tuple[str, str]:
    """Return a description's message with its fields, and its delivery."""
    fields, _, delivery = message.rpartition(")")
    return fields, delivery.strip() or str(Delivery())


def _next_names(signatures: list[str]) -> str:
    names = [_cut(message.partition("(")[0], _NAME) for message in signatures[:3]]
    return ", ".join(names + ["..."] * (len(signatures) > 3))
