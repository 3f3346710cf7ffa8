"""One run of one workflow: its request, its workspace, its state, its steps."""
