"""Checking mail addresses as the application does before it stores them."""

from __future__ import annotations

import re

from twinrow.sandbox.business_central import errors

_ADDRESS = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+")


def check_addresses(text: str) -> None:
    """Refuse a text that is not blank and not a list of mail addresses, separated by semicolons or commas."""
    if text == "":
        return
    for address in re.split(r"[;,]", text):
        if not _ADDRESS.fullmatch(address.strip()):
            raise errors.business_rule(f'The email address "{address.strip()}" is not valid.')
