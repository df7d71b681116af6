"""What network adapters share."""

import errno
import socket
from typing import Any

import pytest

from pygnetic.errors import DisconnectReason
from pygnetic.network import base


@pytest.mark.parametrize("port", [0, 1, 80, 65535])
def test_a_port(port: int) -> None:
    assert base.check_port("host", port, 0) == port


@pytest.mark.parametrize("port", [-1, 65536, True, 80.5, "80", None, 10**30])
def test_no_port(port: Any) -> None:
    with pytest.raises(OSError, match=r"is not a port \(host 'here'\); a port is a number from 1 to 65535"):
        base.check_port("here", port, 1)


def test_a_port_that_is_a_text() -> None:
    """It comes from sys.argv or from a text field."""
    with pytest.raises(
        OSError, match=r"^\[Errno \d+\] '80' is not a port .* to 65535, and this is a text: int\('80'\)$"
    ):
        base.check_port("here", "80", 1)


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("localhost:10000", "'localhost:10000' is not a host; give the port by itself: 'localhost', 10000"),
        ("10.0.0.7:80", "give the port by itself: '10.0.0.7', 80"),
        (10000, "10000 is not a host; give a name or an address, such as 'localhost', or port=10000"),
    ],
)
def test_a_port_where_the_host_is_due(host: Any, text: str) -> None:
    with pytest.raises(OSError, match=text):
        base.resolve(host, 80, 1.0, kind=socket.SOCK_STREAM)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EADDRINUSE, "cannot listen on here:5: another program .* uses it; stop that one, or choose another"),
        (errno.EADDRNOTAVAIL, "cannot listen on here:5: this machine has no such address; use '' for all of its"),
        (errno.EACCES, "cannot listen on here:5: not allowed; choose a port above 1023"),
        (errno.EPERM, "not allowed; choose a port above 1023"),
        (errno.ENOBUFS, "cannot listen on here:5: out of room"),
    ],
)
def test_listen_error(number: int, text: str) -> None:
    error = base.listen_error(("here", 5), OSError(number, "out of room"))
    assert error.errno == number
    with pytest.raises(OSError, match=text):
        raise error


def test_listen_error_of_an_unnamed_host_and_without_a_number() -> None:
    error = base.listen_error(("", 5), OSError("odd"))
    assert error.errno == errno.EADDRNOTAVAIL and str(error).endswith("cannot listen on *:5: odd")


@pytest.mark.parametrize(
    ("address", "text"), [(("10.0.0.7", 80), "10.0.0.7:80"), (("::1", 80), "[::1]:80"), (("", 80), "*:80")]
)
def test_how_an_address_is_written(address: tuple[str, int], text: str) -> None:
    assert base.written(address) == text
    assert f"cannot listen on {text}: " in str(base.listen_error(address, OSError(errno.EADDRINUSE, "in use")))


def test_why_a_peer_is_gone() -> None:
    assert base.never_opened(False) is DisconnectReason.UNREACHABLE
    assert base.never_opened(True) is DisconnectReason.LOST


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_numbers_resolve_without_a_thread(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base.threading, "Thread", None)
    try:
        [(family, address)] = base.resolve(host, 80, 0.0, kind=socket.SOCK_STREAM)
    except OSError:
        pytest.skip("no IPv6 here")
    assert family == (socket.AF_INET6 if ":" in host else socket.AF_INET) and address[:2] == (host, 80)


@pytest.mark.parametrize("host", ["", None, 5, b"127.0.0.1"])
def test_no_host(host: Any) -> None:
    with pytest.raises(OSError, match="is not a host; give a name or an address, such as 'localhost'"):
        base.resolve(host, 80, 1.0, kind=socket.SOCK_STREAM)


@pytest.mark.parametrize("host", ["::1", "fe80::1%lo"])
def test_an_ipv6_address_where_only_ipv4_is_known(host: str) -> None:
    with pytest.raises(OSError, match=f"'{host}' is an IPv6 address, and here only IPv4 is known; the socket adapter"):
        base.resolve(host, 80, 1.0, kind=socket.SOCK_DGRAM, family=socket.AF_INET)


@pytest.mark.parametrize(
    "problem", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long"), OSError("odd")]
)
def test_a_name_that_does_not_resolve(problem: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Any:
        raise problem

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(OSError, match=r"host 'nowhere' does not resolve \(.+\); is its name right\?"):
        base.resolve("nowhere", 80, 5.0, kind=socket.SOCK_STREAM)


def test_every_address_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, 1, 6, "", ("10.0.0.1", 80)), (socket.AF_INET, 1, 6, "", ("10.0.0.2", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: found)
    resolved = base.resolve("somewhere", 80, 5.0, kind=socket.SOCK_STREAM)
    assert [address for _, address in resolved] == [("10.0.0.1", 80), ("10.0.0.2", 80)]
