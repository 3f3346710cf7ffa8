"""Style of a ``tako.yml`` that loads: what ``tako lint`` warns of, and how ``--fix`` brings it up to date.

``linter.lint`` is the way in. Findings have a place, a rule and what to do. ``syntax`` keeps the text of the file
beside its nodes, so that ``fix`` edits the text itself: what is not mended stays as it is, to the byte. (A round
trip through a YAML library re-indents every line and moves comments along with the node before them.)
"""
