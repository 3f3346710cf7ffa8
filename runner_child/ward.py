"""``python -I -S ward.py HOME RUN_ID``: what the warden of a tree becomes when its root is gone."""

from __future__ import annotations

import sys

# An isolated Python (-I) puts no directory of ours on its path.
sys.path.insert(0, __file__.rpartition("/runner_child/")[0])

from tako.execution.warden import main

if __name__ == "__main__":
    main(sys.argv[1:])
