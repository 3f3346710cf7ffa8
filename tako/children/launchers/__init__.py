"""Where a child's process runs: one file for each kind of place."""
