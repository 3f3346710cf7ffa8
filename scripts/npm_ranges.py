"""Ask npm's own ``semver`` which range holds which version, and keep its answers for the tests.

Usage: ``python -m scripts.npm_ranges``, where node and npm are installed. The package that npm brings for itself
answers. Tests import this module to ask it again.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

TABLE = Path(__file__).parents[1] / "tests" / "fixtures" / "npm_ranges.tsv"
COUNT = 2000
SEED = 20261201
HOLDS, LACKS, REFUSES = "y", "n", "!"
"""The answers: the range holds the version, does not hold it, is not a range."""

_ASK = """
const semver = require(require.resolve('semver', {paths: [process.argv[1]]}));
const answer = ([version, range]) => {
  try { return new semver.Range(range).test(semver.parse(version)) ? 'y' : 'n' } catch (e) { return '!' }
};
const questions = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const found = require(require.resolve('semver/package.json', {paths: [process.argv[1]]})).version;
console.log(JSON.stringify({version: found, answers: questions.map(answer)}));
"""

# What Python's libraries for npm's ranges have got wrong, and npm's own corner cases.
_CHOSEN = [
    ("2.0.0", "2.0.0-rc.1"), ("2.0.0-rc.1", "<2"), ("1.2.1", "~1.2.0-beta.2"), ("1.0.0-rc.1", "<1.0.0-rc"),
    ("1.3.0-beta.2", "~1.2.0-beta.2"), ("1.2.0-beta.3", "~1.2.0-beta.2"), ("2.0.0-rc.2", ">=2.0.0-rc.1"),
    ("2.1.0-rc.1", ">=2.0.0-rc.1"), ("2.0.0-0", "^1.2.3"), ("1.2.3-0", ">=1.2.3-0 <1.2.3"), ("0.0.0-0", "<0.0.0-0"),
    ("1.0.0-rc.1", "* || 1.0.0-rc.1"), ("1.0.0-rc.1", ">=0.0.0 || 1.0.0-rc.1"), ("1.0.0-rc.1", "* 1.0.0-rc.1"),
    ("1.0.0-rc.1", ">=0.0.1 || 1.0.0-rc.1"), ("1.0.0-rc.1+b5", "<1.0.0-rc.10 >=1.0.0-alpha"), ("1.2.3", "1.2.3 ||"),
    ("1.2.3", ""), ("1.2.3-rc.1", ""), ("1.2.3", "||"), ("1.2.3", "x"), ("1.2.3", "~*"), ("1.2.3", "^x.2.3"),
    ("1.2.3", "x.2.3"), ("1.2.3", "1.x.3"), ("1.9.3", "~1.x.3"), ("1.2.3", ">x"), ("1.2.3", "<*"), ("1.2.3", ">=*"),
    ("1.2.9", "<=1.2"), ("1.3.0", "<=1.2"), ("1.3.0", ">1.2"), ("1.2.9", ">1.2"), ("1.2.0-rc.1", "<1.2"),
    ("1.2.0-rc.1", "1.2"), ("1.2.3", "v1.2.3"), ("1.2.3", "=v1.2.3"), ("1.2.3", "==1.2.3"), ("1.2.3", "==1.2"),
    ("1.2.3", "~>1.2.1"), ("1.2.3", "~>=1.2.1"), ("1.2.3", "^=1.2.1"), ("1.2.3", "> = 1.2.1"), ("1.2.3", ">= =1.2"),
    ("1.2.3", "> v 1.2.1"), ("1.2.3", "1.2.3*"), ("1.2.3", "*1.2.3"), ("1.2.3", "**"), ("1.2.3", "!=1.2.3"),
    ("1.2.3", "1.2.3 -2"), ("2.3.4", "1.2.3 - 2"), ("2.3.4", "1 - 2.3"), ("2.4.0", "1 - 2.3"), ("1.0.0", "1 - 2 - 3"),
    ("2.0.0-rc.1", "1.0.0 - 2.0.0"), ("2.0.0-rc.1", "1.0.0 - 2.0.0-rc.2"), ("0.0.1", "* - 1"), ("9.9.9", "1 - x"),
    ("0.0.4", "^0.0.3"), ("0.0.3", "^0.0.3"), ("0.1.9", "^0.1"), ("0.2.0", "^0.1"), ("0.9.0", "^0.x"),
    ("0.0.9", "^0.0"),
    ("0.0.3-beta", "^0.0.3-alpha"), ("0.0.4-0", "^0.0.3-alpha"), ("1.2.3", "1.2.3+build"), ("1.2.3+x", "1.2.3+build"),
    ("1.0.0-01a", "1.0.0-01a"), ("1.0.0", "1.0.0-01"), ("1.0.0", "01.0.0"), ("1.0.0", "1.0.0."), ("1.0.0", "latest"),
    ("9007199254740991.0.0", "9007199254740991.0.0"), ("1.0.0", "9007199254740992.0.0"), ("1.0.0", "9007199254740991"),
    ("1.0.0", "<9007199254740992.x"), ("1.0.0", "x.9007199254740992"), ("1.0.0", ">=1.0.0\t<2.0.0"), ("1.0.0", "\xa01"),
    ("1.0.0", ">=1.0.0, <2.0.0".replace(",", ";")), ("1.0.0", ">1.0.0 <1.0.0"), ("1.0.0-b", "1.0.0-B"),
    ("1.0.0-10", ">1.0.0-9"), ("1.0.0-a", ">1.0.0-9"), ("1.0.0-a.b", ">1.0.0-a"), ("1.0.0-a-b", ">1.0.0-a.b"),
]  # fmt: skip


def questions(count: int = COUNT, seed: int = SEED) -> list[tuple[str, str]]:
    """So many different pairs of a version and a range, or what looks like one; always the same for a seed."""
    chance = random.Random(seed)
    found = dict.fromkeys(_CHOSEN)
    while len(found) < count:
        range_ = _range(chance)
        found[_near(chance, range_), _broken(chance, range_)] = None
    return list(found)


def npm() -> Path | None:
    """The directory of an installed npm, if there are node and npm."""
    command = shutil.which("npm")
    if command is None or shutil.which("node") is None:
        return None
    return Path(command).resolve().parents[1]


def answers(directory: Path, asked: list[tuple[str, str]]) -> tuple[str, list[str]]:
    """The version of the ``semver`` that the npm in ``directory`` uses, and its answers.

    Raises ``CalledProcessError`` if it has none.
    """
    run = subprocess.run(
        ["node", "-e", _ASK, str(directory)], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    told = json.loads(run.stdout)
    return told["version"], told["answers"]


def read_table() -> list[tuple[str, str, str]]:
    """The committed rows: answer, version, range."""
    rows = [line.split("\t") for line in TABLE.read_text().splitlines() if not line.startswith("#")]
    return [(answer, version, json.loads(range_)) for answer, version, range_ in rows]


def _number(chance: random.Random) -> str:
    return str(chance.choice((0, 0, 1, 1, 2, 3, 10)))


def _version(chance: random.Random) -> str:
    return f"{_number(chance)}.{_number(chance)}.{_number(chance)}{_tag(chance)}"


def _tag(chance: random.Random) -> str:
    return chance.choice(
        (
            "",
            "",
            "",
            "",
            "-rc.1",
            "-rc",
            "-alpha",
            "-beta.2",
            "-0",
            "-1",
            "-rc.10",
            "-alpha.beta",
            "-x",
            "-rc.1+b5",
            "+b7",
        )
    )


def _near(chance: random.Random, range_: str) -> str:
    """A version; most often one with numbers that a range names, or the next ones."""
    named = re.findall(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?", range_)
    if not named or chance.random() < 0.3:
        return _version(chance)
    numbers = [int(number or chance.choice((0, 1, 10))) for number in chance.choice(named)]
    numbers[chance.randrange(3)] += chance.choice((0, 0, 1))
    return ".".join(map(str, numbers)) + _tag(chance)


def _partial(chance: random.Random) -> str:
    major, minor, open_ = _number(chance), _number(chance), chance.choice("xX*")
    shorter = (f"{major}.{minor}", major, f"{major}.{minor}.{open_}", f"{major}.{open_}", f"v{_version(chance)}", open_)
    return _version(chance) if chance.random() < 0.5 else chance.choice(shorter)


def _range(chance: random.Random) -> str:
    operators = ("", "", "=", "<", ">", "<=", ">=", "^", "^", "~", "~", "~>", "^ ", ">= ", "~ ")
    alternatives = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        words = [chance.choice(operators) + _partial(chance) for _ in range(chance.choice((1, 1, 1, 1, 2, 3)))]
        hyphen = f"{_partial(chance)} - {_partial(chance)}"
        alternatives.append(hyphen if chance.random() < 0.12 else " ".join(words))
    return chance.choice((" || ", "||")).join(alternatives)


def _broken(chance: random.Random, text: str) -> str:
    """Most ranges as they are, some with a character too many."""
    if chance.random() < 0.85:
        return text
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice("0.xX*-+v=<>~^| a") + text[at:]


def main() -> int:
    """Write the table."""
    directory = npm()
    if directory is None:
        print("node and npm are needed: install them, for example by `apt-get install npm`", file=sys.stderr)
        return 2
    asked = questions()
    version, answered = answers(directory, asked)
    rows = [
        f"{answer}\t{wanted}\t{json.dumps(range_)}" for answer, (wanted, range_) in zip(answered, asked, strict=True)
    ]
    head = (
        f"# What npm's semver {version} answers: y it holds, n it does not, ! no range. By python -m scripts.npm_ranges"
    )
    TABLE.write_text("\n".join([head, *rows]) + "\n")
    print(f"{len(rows)} answers: {', '.join(f'{answered.count(kind)} {kind}' for kind in (HOLDS, LACKS, REFUSES))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
