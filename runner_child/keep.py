"""``python -I -S keep.py MEMORY COMMAND…``: what ``tako.keeper`` runs beside each of the root's own steps."""

from __future__ import annotations

import sys

# An isolated Python (-I) puts no directory of ours on its path.
sys.path.insert(0, __file__.rpartition("/runner_child/")[0])

from tako.keeper import main

if __name__ == "__main__":
    main(sys.argv[1:])
