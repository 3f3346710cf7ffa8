"""Templates that become scripts of another program than a shell: what came from an event must not become code.

How such a program reads a text is not known here. So a value from outside may stand in its script in two ways: as a
number, or through ``json_escape`` between double quotes, if it then holds nothing that any of these languages reads
within quotes, or that ends another kind of quotes around them.
"""

from __future__ import annotations

import re

from tako.errors import ExpressionError
from tako.expressions.scripts import Foreign, Script, shown_value, variable_of

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)*")
_ACTIVE = frozenset("'`$@#{}()[]/")
"""Ends of other quotes, of patterns and comments, and what JavaScript, Python, Ruby, Perl and PHP fill in within double
quotes."""
_ESCAPED = "| json_escape"


class CodeScript(Script):
    """The values from outside in one such script that is being rendered."""

    def __init__(self, *, json_strings: bool) -> None:
        """``json_strings`` says whether text between double quotes is written as in JSON."""
        super().__init__()
        self._json_strings = json_strings

    def judged(self, rendered: str, where: str) -> str:
        """The script with its values; raises ``ExpressionError`` if one of them could become code."""
        parts = self.parts(rendered)
        script = list(parts[::2])
        for index, number in enumerate(parts[1::2]):
            foreign = self.foreign(number)
            quoted = script[index].endswith('"') and parts[2 * index + 2].startswith('"')
            if not self._is_safe(foreign, quoted=quoted):
                raise _refused(foreign, where, json_strings=self._json_strings)
        values = [self.foreign(number).text for number in parts[1::2]]
        return "".join(text + value for text, value in zip(script, [*values, ""], strict=True))

    def _is_safe(self, foreign: Foreign, *, quoted: bool) -> bool:
        if foreign.quoted:
            return False
        if _NUMBER.fullmatch(foreign.text):
            return True
        is_escaped = foreign.name.endswith(_ESCAPED) and quoted and self._json_strings
        return is_escaped and not _ACTIVE.intersection(foreign.text)


def _refused(foreign: Foreign, where: str, *, json_strings: bool) -> ExpressionError:
    bare = foreign.name.removesuffix(_ESCAPED).strip()
    name = f"{foreign.name} | shell_quote" if foreign.quoted else foreign.name
    variable = variable_of(bare)
    read = (
        f"read it from the environment, as {variable}" if variable else "give it to the step in `env` and read it there"
    )
    escape = f', or write "{{{{ {bare} {_ESCAPED} }}}}" between double quotes' if json_strings else ""
    what = (
        "has no protection in a script that a shell does not run"
        if foreign.quoted
        else "could become code of the script"
    )
    return ExpressionError(
        f"line {foreign.line} of the script: `{name}` {what}",
        where=where,
        why=f"it came with an event, as: {shown_value(foreign)}",
        cure=read + escape,
    )
