"""Finds secrets in what is printed, and puts ``***`` in their place.

A ``Mask`` knows every spelling of some secrets (``forms``). Whatever is printed is searched for the first bytes of all
of them by an automaton that looks at each byte once; Python's own ``re`` tries one after another, and with five secrets
falls below 20 MB/s. Only where such a beginning is found are the spellings themselves compared.

Whatever overlaps is hidden as one: of two secrets that share some characters neither end is left to see.
"""

from __future__ import annotations

from tako.secrets.forms import forms, is_public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    MaskedPair = tuple[Callable[[bytes], object], Callable[[bytes], object], Callable[[], object]]

MASKED = b"***"

_HEAD = 8
"""Bytes of a spelling that are searched for: few enough for a small automaton, enough not to be found by chance."""


class Mask:
    """Hides the secrets that it was made of."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """``values`` are the secrets by name, of which there is at least one."""
        from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

        self._owners = {form: name for name, value in values.items() for form in forms(value)}
        by_head: dict[bytes, list[bytes]] = {}
        for form in sorted(self._owners, key=len, reverse=True):
            by_head.setdefault(form[:_HEAD], []).append(form)
        self._with_head = list(by_head.values())
        self._beginnings = {form[:size] for form in self._owners for size in range(1, min(_HEAD, len(form)))}
        self.longest = max(map(len, self._owners))
        """Bytes of the longest spelling."""
        heads = list(by_head)
        # The one is several times faster where there is nothing, the other finds those that overlap.
        self._any = BytesAhoCorasick(heads, MatchKind.LeftmostLongest, Implementation.DFA)
        self._every = BytesAhoCorasick(heads, MatchKind.Standard, Implementation.DFA)

    def find(self, text: str) -> str | None:
        """The name of a secret that the text holds; None if it holds none.

        Lines that frame any key are masked, but are not found: they are in other keys and certificates, too.
        """
        return self.find_in(text.encode("utf-8", "surrogatepass"))

    def find_in(self, data: bytes) -> str | None:
        """The same of bytes."""
        forms_found = (data[start:end] for start, end in self.spans(data))
        return next((self._owners[form] for form in forms_found if not is_public(form)), None)

    def hide(self, text: str) -> str:
        """The text with ``***`` for every secret in it."""
        return self.hide_in(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def hide_in(self, data: bytes) -> bytes:
        """The same of bytes."""
        stream = MaskedStream(self)
        return stream.feed(data) + stream.end()

    def spans(self, data: bytes, *, likely: bool = False) -> list[tuple[int, int]]:
        """Where secrets are, as start and end, those that overlap each for itself, by their starts.

        It is found faster if it was right whether there are ``likely`` some.
        """
        found: list[tuple[int, int]] = []
        if not likely and not self._any.find_matches_as_indexes(data):
            return found
        for number, start, _ in self._every.find_matches_as_indexes(data, overlapping=True):
            for form in self._with_head[number]:
                if data.startswith(form, start):
                    # The longest that begins here; those that are its beginning are within it.
                    found.append((start, start + len(form)))
                    break
        found.sort()
        return found

    def open_end(self, data: bytes) -> int:
        """How many bytes at the end could be the beginning of a secret: the most that are, less than a whole one."""
        window = data[max(0, len(data) - self.longest + 1) :]
        for number, start, _ in self._every.find_matches_as_indexes(window, overlapping=True):
            rest = window[start:]
            if any(len(form) > len(rest) and form.startswith(rest) for form in self._with_head[number]):
                return len(rest)
        for size in range(min(_HEAD - 1, len(window)), 0, -1):
            if window[-size:] in self._beginnings:
                return size
        return 0


class MaskedStream:
    """Hides secrets in bytes that come in pieces, however they are cut: the same comes out as of all at once.

    What could be the beginning of a secret is held back until more comes, or the end. That is never more than a secret
    is long, and nothing as long as no secret begins so: lines and prompts come out at once.
    """

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._had_some = False
        self._held = b""
        self._hidden = 0
        """How many of the bytes held are behind a ``***`` that is out already."""

    def feed(self, data: bytes) -> bytes:
        """What can be shown now."""
        data = self._held + data if self._held else data
        return self._pass_on(data, len(data) - self._mask.open_end(data))

    def end(self) -> bytes:
        """What is left to be shown when nothing more comes."""
        return self._pass_on(self._held, len(self._held))

    def _pass_on(self, data: bytes, size: int) -> bytes:
        """What is to be shown of the first ``size`` bytes; the others are held.

        A secret that begins among the first is all there, else its beginning would be held.
        """
        between: list[bytes] = []
        done = self._hidden
        spans = self._mask.spans(data, likely=self._had_some)
        self._had_some = bool(spans)
        for start, end in spans:
            if start >= size:
                break
            if start >= done:
                between.append(data[done:start])
                done = end
            elif end > done:
                done = end
        between.append(data[done:size])
        self._held = data[size:]
        self._hidden = max(0, done - size)
        return MASKED.join(between)


class _Joint:
    """Writes what two streams show, one after another, so that no secret comes together where they meet."""

    def __init__(self, mask: Mask, write: Callable[[bytes], object]) -> None:
        self._mask = mask
        self._write = write
        self._last: object = None
        self._tail = b""
        """The end of what was written, one byte less than a whole secret."""
        self._since = 0
        """How many bytes were written since the other stream was."""

    def write(self, data: bytes, stream: object) -> None:
        if not data:
            return
        if stream is not self._last:
            self._last, self._since = stream, 0
        if self._since < self._mask.longest and self._tail:
            data = self._parted(data)
        self._write(data)
        self._since += len(data)
        keep = self._mask.longest - 1
        self._tail = data[-keep:] if len(data) >= keep else (self._tail + data)[-keep:]

    def _parted(self, data: bytes) -> bytes:
        """The data without what would end a secret that begins in what is written already."""
        before = len(self._tail)
        spans = self._mask.spans(self._tail + data[: self._mask.longest])
        end = max((end for start, end in spans if start < before < end), default=before)
        return MASKED + data[end - before :] if end > before else data


def masked_pair(mask: Mask, write: Callable[[bytes], object]) -> MaskedPair:
    """Two streams that are written as one: what takes the bytes of each, and what is to be called at the end of both.

    Each is masked by itself, since a secret comes through one of them. Where they meet, the rest of what would become a
    secret by that is hidden.
    """
    first, second = MaskedStream(mask), MaskedStream(mask)
    joint = _Joint(mask, write)

    def end() -> None:
        joint.write(first.end(), first)
        joint.write(second.end(), second)

    return (
        lambda data: joint.write(first.feed(data), first),
        lambda data: joint.write(second.feed(data), second),
        end,
    )
