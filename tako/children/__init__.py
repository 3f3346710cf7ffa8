"""Children: one run in a process of its own."""
