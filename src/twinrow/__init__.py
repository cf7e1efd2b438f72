"""Twinrow keeps the records of two business systems the same, in both directions."""

from __future__ import annotations

__version__ = "0.1.0"
