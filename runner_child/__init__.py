"""The child's side of Tako: ``python -m runner_child DIR`` runs the request in DIR."""
