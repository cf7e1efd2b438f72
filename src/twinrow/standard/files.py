"""The standard mappings of Business Central and Dataverse, read from the data files beside this module.

They stand for all circumstances: rows and mappings with a `when` are there only under some ownership model. What a connection
gets of them, `TableMapping.in_circumstances` says.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from twinrow.model.mapping import MappingFile, TableMapping
from twinrow.standard.order import run_order

FILE_NAMES = ("currency.yaml", "salespeople.yaml", "options.yaml", "vendor.yaml", "customer.yaml", "contact.yaml")


def standard_text(file_name: str) -> str:
    """Return the text of one of the data files."""
    return (files("twinrow.standard") / file_name).read_text(encoding="utf-8")


@cache
def standard_mappings() -> tuple[TableMapping, ...]:
    """Return the standard mappings in the order in which they run."""
    from ruamel.yaml import YAML

    reader = YAML(typ="safe", pure=True)
    contents = (MappingFile.model_validate(reader.load(standard_text(name))) for name in FILE_NAMES)
    return run_order([mapping for content in contents for mapping in content.mappings])
