"""The completion scripts of bash, zsh and fish.

Click's own ask the same questions. They differ here in what they lose: bash takes a word apart at a colon or an equals
sign, fish cuts a description at a comma, and all put a space behind ``NAME=``.
"""

from __future__ import annotations

import os

from click.shell_completion import BashComplete, FishComplete, ZshComplete, add_completion_class, split_arg_string

BASH = r"""%(complete_func)s() {
    local line="${COMP_LINE:0:${COMP_POINT:-0}}" word="" kept="" completion type value
    # What the user sees is the line; bash has its words in parts.
    [ -n "$line" ] || line="${COMP_WORDS[*]:0:COMP_CWORD} ${COMP_WORDS[COMP_CWORD]}"
    word="${line##*[[:space:]]}"
    case "$word" in
        *:*) [[ "$COMP_WORDBREAKS" == *:* ]] && kept="${word%%"${word##*:}"}" ;;
    esac
    case "$word" in
        *=*) [[ "$COMP_WORDBREAKS" == *=* && "${word%%"${word##*=}"}" == "$kept"* ]] && kept="${word%%"${word##*=}"}" ;;
    esac
    COMPREPLY=()
    while IFS=, read -r type value; do
        case "$type" in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            plain)
                COMPREPLY+=("${value#"$kept"}")
                [[ "$value" == *= ]] && compopt -o nospace 2>/dev/null ;;
        esac
    done < <(env COMP_WORDS="$line" %(complete_var)s=bash_complete "$1")
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

FISH = r"""function %(complete_func)s
    set -l words (commandline -cp | string collect)
    set -l word (commandline -ct | string collect)
    for completion in (env COMP_WORDS="$words" COMP_CWORD="$word" %(complete_var)s=fish_complete %(prog_name)s)
        set -l parts (string split -m 1 "," -- $completion)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case '*'
                echo -- $parts[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class Bash(BashComplete):
    """Reads the line up to the cursor instead of bash's words."""

    source_template = BASH

    @staticmethod
    def _check_version() -> None:
        """The script runs in every bash there is; click's asks which one that is."""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)[1:]
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        return words, incomplete


class Zsh(ZshComplete):
    """Puts no space behind ``NAME=``."""

    source_template = (
        ZshComplete.source_template.replace(
            '    if [ -n "$completions_with_descriptions" ]; then',
            """    local -a bare
    [[ "${completions_with_descriptions[1]%%%%:*}${completions[1]}" == *= ]] && bare=(-S '')

    if [ -n "$completions_with_descriptions" ]; then""",
        )
        .replace("completions_with_descriptions -U", 'completions_with_descriptions -U "${bare[@]}"')
        .replace("compadd -U -V unsorted", 'compadd "${bare[@]}" -U -V unsorted')
    )


class Fish(FishComplete):
    """Keeps descriptions whole."""

    source_template = FISH


def register() -> None:
    """Let click use these."""
    for kind in (Bash, Zsh, Fish):
        add_completion_class(kind)
