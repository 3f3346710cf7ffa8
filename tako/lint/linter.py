"""Everything that can be said of the style of one file."""

from __future__ import annotations

import os

from tako.config import reading
from tako.config.model import RepoConfig
from tako.lint.contradictions import contradictions
from tako.lint.findings import MISGIVINGS, Finding, unsilenced
from tako.lint.foreign import bash_in_sh, other_syntax, unchecked_scripts
from tako.lint.key_files import unmatched_key_files
from tako.lint.numbers import number_spellings
from tako.lint.older import older_spellings
from tako.lint.secrets import literal_secrets, unreached_secrets
from tako.lint.self_trigger import self_triggers
from tako.lint.shell import unquoted_interpolations
from tako.lint.subscriptions import subscription_findings
from tako.lint.syntax import Sheet
from tako.lint.unemitted import unemitted_events
from tako.lint.unmade import unmade_artifacts
from tako.lint.unused import unused
from tako.lint.versions import shortened_versions
from tako.lint.walk import Spelling
from tako.repos.hosts import Identity


def lint(data: bytes, config: RepoConfig, own: Identity | None = None) -> list[Finding]:
    """What could be better in a file, in the order of the places; ``config`` is what it was loaded to.

    ``own`` is who the repository is; by default it goes by ``metadata.name``.
    """
    own = own or (Identity(config.name) if config.name else None)
    text = reading.decode(data, config.path)
    sheet = Sheet(text)
    older = [_finding(sheet, one) for one in older_spellings(sheet)]
    found = [
        *older,
        *unquoted_interpolations(sheet, config),
        *bash_in_sh(sheet),
        *unchecked_scripts(sheet),
        *other_syntax(sheet),
        *number_spellings(sheet, config),
        *unused(sheet),
        *contradictions(sheet, config),
        *subscription_findings(sheet, config),
        *self_triggers(sheet, config, own),
        *unemitted_events(sheet, config),
        *unmade_artifacts(sheet, config, os.path.dirname(config.path)),
        *shortened_versions(sheet),
        *literal_secrets(sheet),
        *unreached_secrets(sheet),
        *unmatched_key_files(sheet, os.path.dirname(config.path)),
    ]
    return unsilenced(found, text)


def misgivings(data: bytes, config: RepoConfig) -> list[Finding]:
    """Of the same what concerns not the style but what the file means: something is probably not what it says."""
    return [one for one in lint(data, config) if one.rule in MISGIVINGS]


def _finding(sheet: Sheet, one: Spelling) -> Finding:
    owner_line = 0 if one.owner is None else sheet.position(one.owner)[0]
    line, column = sheet.position(one.at)
    return Finding(line, column, one.rule, one.what, fixable=one.edits is not None, owner_line=owner_line)
