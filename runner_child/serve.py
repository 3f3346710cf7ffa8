"""``python -I -S serve.py RECORD LOG LIMIT MEMORY COMMAND…``: what keeps a step that was left running."""

from __future__ import annotations

import sys

# An isolated Python (-I) puts no directory of ours on its path.
sys.path.insert(0, __file__.rpartition("/runner_child/")[0])

from tako.packages import OnDemand
from tako.service_keeper import main

if __name__ == "__main__":
    # What masks secrets is a package, which a Python without site (-S) does not find.
    sys.meta_path.append(OnDemand())
    main(sys.argv[1:])
