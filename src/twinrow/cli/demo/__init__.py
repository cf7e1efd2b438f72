"""`twinrow demo`: the whole of a synchronization on two sandboxes, and whether it came out right.

`command` tells the story step by step, `people` do in it what people do in such systems, `comparison` holds the outcome
against what the sandboxes themselves have stored.
"""

from __future__ import annotations

from twinrow.cli.demo.command import demo

__all__ = ["demo"]
