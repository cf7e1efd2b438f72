"""What a person says about a database and its tables. What is left out is found by looking at the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from twinrow.model.errors import ConfigurationError
from twinrow.model.protocols import Secrets


class SqlTable(BaseModel):
    """Settings of a table.

    `key` names the column whose value is the record's id (default: the primary key, where it is one column).
    `modified_at` names the column with the time of the last change (default: `modified_at`, `modifiedon`, `modified_on` or
    `updated_at`, where it is of a time type), `row_version` one with a number that the database gives anew, and growing,
    with every change of any row; it goes before `modified_at`. An empty name means that there is none.
    `guid` tells that a text key holds GUIDs, in lower case (default: only a key of a UUID type does).
    `sets_modified_at` tells whether twinrow's own writes set the time of the last change (default: where the table has no
    triggers). `overlap` is the time that a feed by modification times reads again, for changes that are committed later than
    their time (default: 60 seconds on PostgreSQL, none on SQLite).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str | None = None
    modified_at: str | None = None
    row_version: str | None = None
    guid: bool | None = None
    sets_modified_at: bool | None = None
    overlap: timedelta | None = None


class SqlOptions(BaseModel):
    """Settings of a system of kind `sql`: its address, where its password is, the schema of its tables, and the tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    password: str | None = None
    schema_name: str | None = Field(None, alias="schema")
    tables: Mapping[str, SqlTable] = {}


def read_options(name: str, options: Mapping[str, Any], secrets: Secrets) -> SqlOptions:
    """Return the options of a system with its password in the address.

    Raises `ConfigurationError` for options that are missing, unknown or wrong, and for a secret that leads nowhere.
    """
    try:
        read = SqlOptions.model_validate(dict(options))
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'options'}: {problem['msg']}" for problem in error.errors()
        )
        raise ConfigurationError(
            f"The options of the system {name} cannot be used",
            cause=found,
            remedy="Give url (sqlite:///PATH or postgresql://USER@HOST/DATABASE), and if need be password, schema and tables.",
        ) from None
    try:
        url = make_url(read.url)
    except ArgumentError:
        raise ConfigurationError(
            f"The address of the system {name} cannot be read",
            remedy="Write sqlite:///PATH or postgresql://USER@HOST/DATABASE.",
        ) from None
    if url.password is not None or "password" in url.query:
        raise ConfigurationError(
            f"The address of the system {name} holds a password",
            cause="Addresses are stored and shown; passwords must not be.",
            remedy="Take it out of the address, and give password as env:NAME or file:PATH.",
        )
    if read.password is None:
        return read
    url = url.set(password=secrets.resolve(read.password))
    return read.model_copy(update={"url": url.render_as_string(hide_password=False), "password": None})
