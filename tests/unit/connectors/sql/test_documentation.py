"""The page about SQL systems names every setting, and its example works."""

from __future__ import annotations

import re
from pathlib import Path

from twinrow.connectors.sql.settings import SqlOptions, SqlTable

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "sql-systems.md"


def test_every_setting_is_on_the_page_and_every_one_there_exists() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    options = {field.alias or name for name, field in SqlOptions.model_fields.items()}
    assert named == options | set(SqlTable.model_fields)
