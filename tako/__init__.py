"""Workflows across many git repositories, every repository in a process of its own."""

__version__ = "0.1.0"
