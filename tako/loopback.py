"""Addresses of this machine: those that a step may wait for over HTTP. Pure."""

from __future__ import annotations


def url_fault(url: str) -> str:
    """What is wrong with the URL of something on this machine; empty if nothing."""
    scheme, _, rest = url.partition("://")
    if scheme.lower() != "http" or not rest:
        return "must be like http://localhost:8080/path"
    if any(char.isspace() or not char.isprintable() for char in url):
        return "must not hold spaces or control characters"
    host, port = host_and_port(url)
    if not is_loopback(host):
        return "must be on this machine: localhost, 127.0.0.0/8 or [::1]"
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 1 << 16):
        return "must have a port from 1 to 65535"
    return ""


def host_and_port(url: str) -> tuple[str, str]:
    """The host of a URL, without brackets, and its port as it is written, ``80`` if it is not."""
    rest = url.partition("://")[2]
    for end in "/?#":
        rest = rest.partition(end)[0]
    if rest.startswith("["):
        host, closed, after = rest[1:].partition("]")
        port = after.removeprefix(":") if after.startswith(":") else "" if after else "80"
        return host, port if closed else ""
    # What stands before an at sign is a user's name, which would hide the real host from a reader.
    host, colon, port = rest.partition(":")
    return host, port if colon else "80"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, without asking any name server."""
    if host.lower() in ("localhost", "::1"):
        return True
    parts = host.split(".")
    numbers = [int(part) for part in parts if part.isascii() and part.isdecimal() and len(part) < 4]
    return len(parts) == 4 and len(numbers) == 4 and numbers[0] == 127 and max(numbers) < 256
