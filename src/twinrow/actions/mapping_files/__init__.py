"""Mapping files: reading them with all their problems told at once, and writing them back.

`document` reads, `nodes` turns YAML into values that know their lines, `explanation` puts what is wrong into sentences,
`export` writes, and `schema` describes the form for editors.
"""

from twinrow.actions.mapping_files.document import (
    MappingDocument,
    read_mapping_file,
    read_mapping_files,
    read_mapping_text,
)
from twinrow.actions.mapping_files.export import export_mappings
from twinrow.actions.mapping_files.schema import mapping_file_schema

__all__ = [
    "MappingDocument",
    "export_mappings",
    "mapping_file_schema",
    "read_mapping_file",
    "read_mapping_files",
    "read_mapping_text",
]
