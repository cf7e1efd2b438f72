"""Names of persons: parts joined to a name, a name split into parts.

Source: protocol page, section 17 (contact names).
"""

from __future__ import annotations

NAME_LENGTH = 100
PART_LENGTH = 30
# What the parts and the blanks between them can fill; the join cuts there.
JOINED_LENGTH = 92


def joined_name(first: str, middle: str, surname: str) -> str:
    """The parts that are not blank, with one blank between them; leading blanks are removed."""
    name = first
    if middle:
        name = f"{name} {middle}"
    if surname:
        name = f"{name} {surname}"
    return name[:JOINED_LENGTH].lstrip(" ")[:NAME_LENGTH]


def split_name(name: str) -> tuple[str, str, str]:
    """First name, middle name and surname of a person: the last word is the surname, the one before it the middle name.

    A single word is the first name. Each part is cut to 30 characters.
    """
    # A blank at the end makes the last word an empty one, as the original counts it.
    *earlier, last = name.split(" ")
    words = [*filter(None, earlier), last]
    surname = words.pop() if len(words) > 1 else ""
    middle = words.pop() if len(words) > 1 else ""
    return " ".join(words)[:PART_LENGTH], middle[:PART_LENGTH], surname[:PART_LENGTH]
