"""Measures Tako against floors taken in the same run; `scripts/bench` is the command."""
