"""Where in a shell script a place is: among its words, where a quoted word is safe, or within something else.

What is within double quotes, a comment or a here-document, say, is not read as a quoted word is: there
``'$(id)'`` runs ``id``. The scanner reads as much of the grammar as tells these apart (POSIX 2.2, 2.3, 2.7.4; bash's
``$'…'``, ``$[…]`` and ``((…))``), and where it cannot, it says that it is lost and stays so.
"""

from __future__ import annotations

from tako.records import record

_CODE, _DOUBLE, _BRACE, _ARITHMETIC, _BACKTICK = "code", "double", "brace", "arithmetic", "backtick"
_SINGLE, _ANSI, _COMMENT, _BODY, _DELIMITER, _LOST = "single", "ansi", "comment", "body", "delimiter", "lost"

_PLACES = {
    _DOUBLE: "within double quotes",
    _BRACE: "within `${…}`",
    _ARITHMETIC: "within an arithmetic expression",
    _BACKTICK: "within backticks",
    _SINGLE: "within single quotes",
    _ANSI: "within `$'…'`",
    _COMMENT: "within a comment",
    _BODY: "within a here-document",
    _DELIMITER: "at the delimiter of a here-document",
    _LOST: "behind quotes that are nested too deeply to follow",
}
_BLANK = " \t\n"
_ENDS_WORD = _BLANK + ";&|()<>"


@record
class _Document:
    """A here-document."""

    delimiter: str
    strips_tabs: bool
    """Whether it is opened with ``<<-``."""
    quoted: bool
    """Whether nothing is expanded in it, and no line goes on behind a backslash."""
    level: int
    """How deep it is nested."""


class Scanner:
    """Reads a script from its beginning; ``place`` is where the next character would be."""

    def __init__(self) -> None:
        self._nest = [_CODE]
        self._mode = ""
        """What is read now if it is not what the innermost of ``_nest`` says."""
        self._escaped = False
        self._before = "\n"
        """The character before, ``w`` for any that is only a part of a word, ``$`` only if it is not quoted."""
        self._word = ""
        self._depth = 0
        self._line = ""
        self._line_is_foreign = False
        self._goes_on = False
        """Whether the line of a here-document is joined of several."""
        self._waiting: list[_Document] = []
        """Those whose bodies begin with the next line."""
        self.ended_from_outside = False
        """Whether foreign text was the end of a here-document, or its delimiter."""

    @property
    def place(self) -> str:
        """Why a quoted word would not be safe here, as ``within double quotes``; empty if it is."""
        if self._escaped:
            return "behind a backslash"
        if self._mode:
            return _PLACES[self._mode]
        wrong = next((level for level in reversed(self._nest) if level in (_BRACE, _ARITHMETIC, _BACKTICK)), "")
        level = self._nest[-1] if self._nest[-1] != _CODE else wrong
        return _PLACES.get(level, self._behind_dollar)

    @property
    def names_variable(self) -> bool:
        """Whether a word here would be the name of a variable to be expanded."""
        if self._mode == _BODY:
            before = self._line.removesuffix("$")
            is_escaped = (len(before) - len(before.rstrip("\\"))) % 2 == 1
            return before != self._line and not is_escaped and not self._waiting[0].quoted
        return bool(self._behind_dollar) and not self._escaped and self._mode == ""

    @property
    def _behind_dollar(self) -> str:
        return "behind a `$`" if self._before == "$" else ""

    def feed(self, text: str, *, foreign: bool = False) -> None:
        """Read on; ``foreign`` is text that the script's author did not write."""
        for char in text:
            self._read(char, foreign)

    def word(self) -> None:
        """Go on behind a part of a word that is quoted in itself."""
        self._before, self._word = "w", self._word + "?"

    def _read(self, char: str, foreign: bool) -> None:
        if self._mode == _BODY:
            self._in_body(char, foreign)
        elif self._mode == _DELIMITER:
            self._in_delimiter(char, foreign)
        elif self._mode:
            self._in_mode(char)
        elif self._escaped:
            self._escaped = False
            if char != "\n":
                self.word()
        elif self._nest[-1] == _BACKTICK:
            self._escaped = char == "\\"
            if char == "`":
                self._leave()
        elif self._nest[-1] == _ARITHMETIC:
            self._in_arithmetic(char)
        elif not self._is_expansion(char):
            if self._nest[-1] == _CODE:
                self._in_code(char)
            else:
                self._in_quotes(char)

    def _enter(self, level: str) -> None:
        self._nest.append(level)
        self._before, self._word = "\n", ""

    def _leave(self) -> None:
        self._nest.pop()
        self.word()

    def _is_expansion(self, char: str) -> bool:
        """What means the same among words, within double quotes and within ``${…}``."""
        behind_dollar = self._before == "$"
        if char == "\\":
            self._escaped = True
        elif char == "`":
            self._enter(_BACKTICK)
        elif behind_dollar and char == "(":
            self._enter(_CODE)
            self._before = "$("
        elif behind_dollar and char == "{":
            self._enter(_BRACE)
        elif behind_dollar and char == "[":
            self._mode = _LOST
        elif char == "$":
            # `$$` is a variable, so what comes behind it is not.
            self._before = "w" if behind_dollar else "$"
            self._word += char
        else:
            return False
        return True

    def _in_quotes(self, char: str) -> None:
        closes = '"' if self._nest[-1] == _DOUBLE else "}"
        if char == closes:
            self._leave()
        elif self._nest[-1] == _BRACE and char in "'\"":
            if _DOUBLE in self._nest:
                self._mode = _LOST
            elif char == '"':
                self._enter(_DOUBLE)
            else:
                self._mode = _SINGLE
        else:
            self._before = "w"

    def _in_code(self, char: str) -> None:
        before = self._before
        if char in _ENDS_WORD and self._word == "case" and _DOUBLE in self._nest:
            # Its patterns end with a `)` that closes nothing.
            self._mode = _LOST
            return
        if char == "'":
            self._mode = _ANSI if before == "$" else _SINGLE
        elif char == '"':
            self._enter(_DOUBLE)
        elif char == "(":
            self._open(before)
        elif char == ")":
            if len(self._nest) > 1:
                self._leave()
            self._before = char
        elif char == "#" and before == ")":
            # A comment behind `(…)`, a part of the word behind `$(…)`.
            self._mode = _LOST
        elif char == "#" and before in (*_ENDS_WORD, "$("):
            self._mode = _COMMENT
        elif char == "\n":
            self._end_line()
        elif char == "<" and before == "<":
            self._mode, self._line, self._line_is_foreign = _DELIMITER, "", False
        else:
            self._before = char if char in _ENDS_WORD else "w"
        self._word = "" if char in _ENDS_WORD else self._word + char

    def _open(self, before: str) -> None:
        if before in ("(", "$("):
            self._nest[-1], self._depth = _ARITHMETIC, 2
        else:
            self._enter(_CODE)
            self._before = "("

    def _in_arithmetic(self, char: str) -> None:
        if char in "'\"`\\#":
            self._mode = _LOST
        self._depth += {"(": 1, ")": -1}.get(char, 0)
        if self._depth == 0:
            self._leave()

    def _in_mode(self, char: str) -> None:
        if self._mode == _COMMENT:
            if char == "\n":
                self._mode = ""
                self._end_line()
        elif self._mode == _ANSI and char == "\\":
            # Not every sh knows `$'…'`, and without it the text would end at another quote.
            self._mode = _LOST
        elif self._mode in (_SINGLE, _ANSI) and char == "'":
            self._mode = ""
            self.word()

    def _end_line(self) -> None:
        self._before, self._word = "\n", ""
        if self._waiting:
            is_here = self._waiting[0].level == len(self._nest)
            self._mode, self._line, self._line_is_foreign = _BODY if is_here else _LOST, "", False

    def _in_delimiter(self, char: str, foreign: bool) -> None:
        raw = self._line
        if raw == "" and char == "<":
            self._mode, self._before = "", "w"  # `<<<`, a here-string.
            return
        within = next((quote for quote in "'\"" if raw.count(quote) % 2), "")
        started = bool(raw.removeprefix("-").strip(" \t"))
        if within or not (char in _ENDS_WORD and (started or char not in " \t")):
            self._line += char
            self.ended_from_outside |= foreign
            return
        word = raw.removeprefix("-").strip(" \t")
        if "$" in word or "`" in word or ("'" in word and '"' in word):
            self._mode = _LOST
            return
        plain = word.replace("\\", "").replace("'", "").replace('"', "")
        self._waiting.append(_Document(plain, raw.startswith("-"), plain != word, len(self._nest)))
        self._mode, self._before, self._word = "", " ", ""
        self._read(char, foreign)

    def _in_body(self, char: str, foreign: bool) -> None:
        document = self._waiting[0]
        if char != "\n":
            self._line += char
            self._line_is_foreign |= foreign
            return
        line = self._line.lstrip("\t") if document.strips_tabs else self._line
        if not document.quoted and (len(line) - len(line.rstrip("\\"))) % 2:
            self._line, self._goes_on = line[:-1], True
            return
        if line == document.delimiter and self._goes_on:
            # The end for bash, and not for dash.
            self._mode = _LOST
        elif line == document.delimiter:
            self.ended_from_outside |= self._line_is_foreign
            self._waiting.pop(0)
            self._mode = _BODY if self._waiting else ""
            self._before = "\n"
        self._line, self._line_is_foreign, self._goes_on = "", False, False
