"""The form of mapping files as a JSON schema, by which editors complete and check while one writes."""

from __future__ import annotations

from typing import Any

from twinrow.model.mapping import MappingFile


def mapping_file_schema() -> dict[str, Any]:
    """Return the JSON schema of mapping files (draft 2020-12)."""
    schema = MappingFile.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "twinrow mapping file",
    } | {key: value for key, value in schema.items() if key != "title"}
