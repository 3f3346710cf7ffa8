"""The child's side of Tako: ``python -m runner_child DIR`` runs the request in DIR."""

from __future__ import annotations

ENTRY = __file__.replace("__init__.py", "quick.py")
"""What a launcher on this machine starts instead of ``-m runner_child``: the same, sooner."""
KEEPER = ENTRY.removesuffix("quick.py") + "keep.py"
"""The file that runs one command below a keeper."""
SERVER = ENTRY.removesuffix("quick.py") + "serve.py"
"""The file that keeps a step that was left running. A process is known for a keeper of one by this, in its command."""
WARDEN = ENTRY.removesuffix("quick.py") + "ward.py"
"""The file that ends what a killed root has left."""
