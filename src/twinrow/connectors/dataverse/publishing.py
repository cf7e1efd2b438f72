"""Publishing options: what was written to the metadata of a choice is shown by forms only once it is published.

A process may end between writing and publishing. So the first time that the options of a column are read, they are compared
with the published copy that rows of `stringmap` keep, and what was left unpublished is published.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from twinrow.connectors.dataverse.site import STRONG, Site
from twinrow.connectors.odata.client import Call, NoAnswer
from twinrow.model.errors import TwinrowError

_HEADERS = {**STRONG, "Content-Type": "application/json"}


class _Label(msgspec.Struct):
    attributevalue: int
    value: str | None = None


class _Labels(msgspec.Struct):
    value: list[_Label]


class Publishing:
    """Publishes choices. May be used by several threads at once; what fails is tried again with the next publication."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._unpublished: set[str] = set()
        self._compared: set[tuple[str, str]] = set()

    def publish(self, entity: str, global_name: str | None) -> None:
        """Publish a global choice, or the choices of a table, and what could not be published before."""
        self._unpublished.add(_parameter(entity, global_name))
        for parameter in sorted(self._unpublished):
            content = msgspec.json.encode({"ParameterXml": parameter})
            call = Call("POST", self._site.address("PublishXml"), _HEADERS, content, repeatable=True)
            outcome = self._site.client.exchange(call)
            if not isinstance(outcome, NoAnswer) and outcome.status < 300:
                self._unpublished.discard(parameter)

    def publish_leftovers(
        self, entity: str, column: str, labels: Mapping[int, str | None], language: int | None, global_name: str | None
    ) -> None:
        """Publish options that are in the metadata (`labels`, in a language) but not in the published copy; looks once."""
        if (entity, column) in self._compared:
            return
        self._compared.add((entity, column))
        condition = f"objecttypecode eq '{entity}' and attributename eq '{column}'"
        if language is not None:
            condition += f" and langid eq {language}"
        try:
            rows = self._site.read(f"stringmaps?$select=attributevalue,value&$filter={condition}", _Labels).value
        except TwinrowError:
            return  # whoever may not read the copy cannot be helped by it
        published = {row.attributevalue: row.value for row in rows}
        if any(published.get(value) != label for value, label in labels.items()):
            self.publish(entity, global_name)


def _parameter(entity: str, global_name: str | None) -> str:
    if global_name is not None:
        return f"<importexportxml><optionsets><optionset>{global_name}</optionset></optionsets></importexportxml>"
    return f"<importexportxml><entities><entity>{entity}</entity></entities></importexportxml>"
