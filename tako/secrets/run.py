"""The secrets of one run: which of its steps gets which, and what must not appear anywhere else.

Every child imports this, and most have no secrets: the mask is made when it is first asked for.
"""

from __future__ import annotations

from tako.errors import StepError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from typing import Any

    from tako.secrets.masking import Mask, MaskedPair

CURE = "hand it on as a file in a place of your own, or let whoever needs it name the secret in its own `env`"


class RunSecrets:
    """The values of the secrets that a run's workflow declares."""

    def __init__(self, values: Mapping[str, str], *, hidden: Collection[str] = ()) -> None:
        """``values`` are by name. ``hidden`` are variables that no step gets from the user's environment, beside those
        of that name; it may grow."""
        self._values = dict(values)
        self._hidden = hidden
        self._mask: Mask | None = None

    def __bool__(self) -> bool:
        return bool(self._values)

    @property
    def values(self) -> Mapping[str, str]:
        """By name; for whoever hands them over to the run's own process."""
        return self._values

    @property
    def mask(self) -> Mask | None:
        """What hides them; None if there are none."""
        if self._mask is None and self._values:
            from tako.secrets.masking import Mask

            self._mask = Mask(self._values)
        return self._mask

    def named_in(self, env: Mapping[str, str]) -> dict[str, str]:
        """The variables of a declared environment that are secrets, with their values."""
        return {variable: self._values[name] for variable, name in env.items() if name in self._values}

    def without_hidden(self, environment: Mapping[str, str]) -> dict[str, str]:
        """An environment without the variables that only steps which name them may have."""
        return {
            name: value for name, value in environment.items() if name not in self._values and name not in self._hidden
        }

    def hide(self, text: str) -> str:
        """The text with ``***`` for every secret in it."""
        return self.mask.hide(text) if self.mask is not None else text

    def refuse(self, value: Any, what: str, *, where: str) -> None:
        """Raise ``StepError`` if plain data holds a secret, in a text or a key anywhere in it; ``what`` is the data."""
        mask = self.mask
        if mask is None:
            return
        for text in _texts(value):
            name = mask.find(text)
            if name is not None:
                raise StepError(
                    f"{what} holds the value of the secret {name!r}",
                    where=where,
                    why="what a step leaves behind is written to files, shown, and sent to other repositories",
                    cure=CURE,
                )


NO_SECRETS = RunSecrets({})


class EnvScope(dict[str, str]):
    """The ``env`` of templates and conditions: it knows which names it does not have because they are secrets."""

    def __init__(self, environment: Mapping[str, str], secret: Collection[str]) -> None:
        super().__init__(environment)
        # Private, else a template could read it as `env.secret`.
        self._secret = frozenset(secret)


def is_kept_from(scope: object, name: object) -> bool:
    """Whether a name is not in an ``env`` because it is a secret."""
    return isinstance(scope, EnvScope) and name in scope._secret


def masked_sinks(
    secrets: RunSecrets, write: Callable[[bytes], object]
) -> tuple[Callable[[bytes], object], Callable[[bytes], object], Callable[[], object]]:
    """What takes stdout, what takes stderr, and what to call at the end of both, so that what is written is masked.

    The mask is made when there is something to write: most processes of Tako itself say nothing.
    """
    if not secrets:
        return write, write, lambda: None
    made: list[MaskedPair] = []

    def pair() -> MaskedPair:
        if not made:
            from tako.secrets.masking import masked_pair

            mask = secrets.mask
            assert mask is not None, "there are secrets"
            made.append(masked_pair(mask, write))
        return made[0]

    return lambda data: pair()[0](data), lambda data: pair()[1](data), lambda: made and made[0][2]()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
