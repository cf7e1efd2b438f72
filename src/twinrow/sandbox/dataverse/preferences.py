"""The `Prefer` header: what the caller would like, and what of it was done."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from twinrow.sandbox.dataverse import errors

_PREFERENCE = re.compile(r'\s*([\w.-]+)\s*(?:=\s*("[^"]*"|[^",;\s]+))?\s*(?:[,;]|$)')

FORMATTED = "OData.Community.Display.V1.FormattedValue"
LOOKUP_NAME = "Microsoft.Dynamics.CRM.lookuplogicalname"
NAVIGATION = "Microsoft.Dynamics.CRM.associatednavigationproperty"
TOTAL_COUNT = "Microsoft.Dynamics.CRM.totalrecordcount"
TOTAL_EXCEEDED = "Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"
METADATA_VERSION = "Microsoft.Dynamics.CRM.globalmetadataversion"


@dataclass(frozen=True)
class Preferences:
    """What a request prefers. `annotations` are patterns of annotation names."""

    representation: bool = False
    page_size: int | None = None
    annotations: tuple[str, ...] = ()
    track_changes: bool = False
    continue_on_error: bool = False
    applied: tuple[tuple[str, str], ...] = ()

    def wants(self, annotation: str) -> bool:
        """Whether rows shall carry this annotation."""
        return any(fnmatchcase(annotation, pattern) for pattern in self.annotations)

    @property
    def all_annotations(self) -> bool:
        """Whether everything is wanted, error details too."""
        return "*" in self.annotations

    def echo(self, *names: str) -> dict[str, str]:
        """The `Preference-Applied` header for those of the named preferences that were given."""
        texts = [text for name, text in self.applied if name in names]
        return {"Preference-Applied": ",".join(texts)} if texts else {}


@lru_cache(maxsize=256)
def read_preferences(header: str | None) -> Preferences:
    """The preferences of a `Prefer` header; those that are not known are passed over. Raises DataverseError."""
    if not header:
        return Preferences()
    values: dict[str, str] = {}
    applied: list[tuple[str, str]] = []
    for match in _PREFERENCE.finditer(header):
        name, value = match[1].lower(), (match[2] or "").strip('"')
        values[name] = value
        applied.append((name, f"{match[1]}={match[2]}" if match[2] else match[1]))
    return Preferences(
        representation=values.get("return") == "representation",
        page_size=_page_size(values.get("odata.maxpagesize")),
        annotations=tuple(
            part.strip() for part in values.get("odata.include-annotations", "").split(",") if part.strip()
        ),
        track_changes="odata.track-changes" in values,
        continue_on_error="odata.continue-on-error" in values,
        applied=tuple(applied),
    )


def _page_size(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or int(text) < 1:
        raise errors.bad_query(f"Invalid value '{text}' for the preference odata.maxpagesize.")
    return int(text)
