"""Secrets: where their values come from, which step gets which, and how they are kept out of everything else."""

from __future__ import annotations
