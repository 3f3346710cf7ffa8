"""Which repository the address of a remote names: a host and a path on it. All of it is pure."""

from __future__ import annotations

from tako.records import record
from tako.repos.names import is_name

# A host that has another name for SSH, or for people.
_SAME_HOST = {
    "altssh.bitbucket.org": "bitbucket.org",
    "altssh.gitlab.com": "gitlab.com",
    "ssh.dev.azure.com": "dev.azure.com",
    "ssh.github.com": "github.com",
    "vs-ssh.visualstudio.com": "dev.azure.com",
    "www.bitbucket.org": "bitbucket.org",
    "www.github.com": "github.com",
    "www.gitlab.com": "gitlab.com",
}
# Forges on which two repositories cannot differ in case alone: the public ones, and the servers of companies, which
# commonly have the forge's name in theirs (gitlab.example.com).
_CASELESS_HOSTS = frozenset({"dev.azure.com"})
_CASELESS_WORDS = frozenset({"bitbucket", "codeberg", "forgejo", "gitea", "github", "gitlab", "stash"})


@record
class Identity:
    """Which repository one is, wherever it lies on this machine."""

    path: str
    """``owner/name``, with all groups above, as its address has it."""
    host: str = ""
    """In lower case; empty if it has no remote on another machine."""

    @property
    def full(self) -> str:
        """The path with the host in front, if there is one."""
        return f"{self.host}/{self.path}" if self.host else self.path


def is_caseless(host: str) -> bool:
    """Whether names of repositories on a host are the same in upper and lower case."""
    return host in _CASELESS_HOSTS or not _CASELESS_WORDS.isdisjoint(host.replace("-", ".").split("."))


def is_same(one: Identity, other: Identity) -> bool:
    """Whether two identities are one repository's. Without a host, a path means the repository with that path."""
    if one.host and other.host and one.host != other.host:
        return False
    return _is_same_path(one.path, other.path, one.host or other.host)


def is_named(identity: Identity, written: str) -> bool:
    """Whether a name that somebody wrote, with or without its host in front, is that of a repository."""
    if _is_same_path(identity.path, written, identity.host):
        return True
    host, _, path = written.partition("/")
    return bool(identity.host) and host.lower() == identity.host and _is_same_path(identity.path, path, identity.host)


def folded(written: str) -> tuple[str, ...]:
    """The keys under which to look for repositories of a name that somebody wrote: as a path, and below a host."""
    lower = written.lower()
    path = lower.partition("/")[2]
    return (lower, path) if "/" in path else (lower,)


def parse_address(url: str) -> Identity | None:
    """The repository that a remote's address names; None if the address does not tell.

    An address on another machine tells its host and the whole path on it, which has an owner and a name at least. A
    path on this machine (or ``file://``) has no host; its last two parts count, if it ends in ``.git`` as those of bare
    repositories on a server do: in ``/home/me/work/lib``, ``work`` is nobody's name.
    """
    url = url.strip()
    scheme, separator, rest = url.partition("://")
    if separator:
        host, _, path = rest.partition("/")
        if scheme == "file":
            host = ""
        host = _without_port(host.rpartition("@")[2])
    elif ":" in url.partition("/")[0]:
        # The scp-like form of git-clone(1), [user@]host:path: it has a colon before the first slash.
        # Brackets around [user@]host:port may stand there, too.
        before, slash, rest = url.partition("/")
        host, _, start = before.rpartition(":")
        host, path = host.rpartition("@")[2], start + slash + rest
        if before.startswith("[") and not host.startswith("["):
            host = _without_port(host.removesuffix("]"))
    else:
        host, path = "", url
    return _on_host(host.strip("[]").lower(), path) if host else _local(path)


def _local(path: str) -> Identity | None:
    path = path.rstrip("/")
    parts = path.removesuffix(".git").split("/")[-2:]
    good = path.endswith(".git") and len(parts) == 2 and all(is_name(part) for part in parts)
    return Identity("/".join(parts)) if good else None


def _on_host(host: str, path: str) -> Identity | None:
    parts = path.strip("/").removesuffix(".git").split("/")
    if host.endswith(("dev.azure.com", ".visualstudio.com")):
        host, parts = _azure(host, parts)
    elif len(parts) == 3 and parts[0] == "scm" and not {"bitbucket", "stash"}.isdisjoint(host.split(".")):
        # Bitbucket's own servers: /scm/project/name over HTTPS, /project/name over SSH.
        parts = parts[1:]
    good = len(parts) >= 2 and all(is_name(part) for part in parts)
    return Identity("/".join(parts), _SAME_HOST.get(host, host)) if good else None


def _azure(host: str, parts: list[str]) -> tuple[str, list[str]]:
    """organization/project/_git/name over HTTPS, v3/organization/project/name over SSH, and two older hosts.

    Over HTTPS, a repository with the name of its project has organization/_git/name as well.
    """
    if parts[0] == "v3":
        parts = parts[1:]
    elif host.endswith(".visualstudio.com"):
        parts = [host.partition(".")[0], *(part for part in parts if part != "DefaultCollection")]
    if parts[1:2] == ["_git"]:
        parts = [parts[0], *parts[2:], *parts[2:]]
    return "dev.azure.com", [part for part in parts if part != "_git"]


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0]
    return host.partition(":")[0]


def _is_same_path(one: str, other: str, host: str) -> bool:
    return one == other or (is_caseless(host) and one.lower() == other.lower())
