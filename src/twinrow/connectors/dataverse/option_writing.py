"""Writing options: inserted, renamed, deleted, one after the other, then published.

Source: protocol page, section 21. Whether a value is free, and whether a label still is what it was, is looked at before a
write: the service tells neither in a documented way. A write whose answer is missing is indeterminate; it is not sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import polars as pl

from twinrow.batch.columns import ID, VERSION
from twinrow.connectors.base import STATUS, Status, WriteKind, WriteRequest, result_schema, sent
from twinrow.connectors.dataverse.answers import PRIVILEGE_REMEDY
from twinrow.connectors.dataverse.options import (
    ENGLISH,
    LABEL,
    LONGEST_LABEL,
    VALUE,
    Choice,
    Options,
    OptionTable,
    records,
    version,
)
from twinrow.connectors.dataverse.site import STRONG, Site
from twinrow.connectors.dataverse.tables import Tables
from twinrow.connectors.odata.client import Call, NoAnswer
from twinrow.connectors.odata.errors import read_error
from twinrow.connectors.odata.verdict import MISSING, STALE, Verdict, indeterminate, said, unsent, verdict_columns
from twinrow.model.errors import TwinrowError
from twinrow.model.outcomes import Recovery

_HEADERS = {**STRONG, "Content-Type": "application/json"}
_ACTIONS = {
    WriteKind.CREATE: "InsertOptionValue",
    WriteKind.UPDATE: "UpdateOptionValue",
    WriteKind.DELETE: "DeleteOptionValue",
}


class _Inserted(msgspec.Struct, rename="pascal"):
    new_option_value: int


class OptionWriting:
    """Writes the options of an environment."""

    def __init__(self, site: Site, options: Options, tables: Tables) -> None:
        self._site = site
        self._client = site.client
        self._options = options
        self._tables = tables
        self._publishing = options.publishing

    def write(self, table: OptionTable, request: WriteRequest) -> pl.DataFrame:
        """Carry the writes out. Raises only when nothing at all was carried out."""
        for name in (*request.fields, *request.answered):
            table.table.field(name)
        if request.frame.is_empty():
            return pl.DataFrame(schema=result_schema(table.table, request.answered))
        work = _Work(table, request.kind, self._options.choice(table))
        for row in request.frame.iter_rows(named=True):
            work.verdicts.append(self._write_one(work, row))
        if work.error is not None and not work.reached:
            raise work.error
        if work.wrote:
            # Descriptions list the options that a column takes; global ones are those of other columns, too.
            self._tables.forget(None if work.choice.global_name is not None else table.entity)
            self._publishing.publish(table.entity, work.choice.global_name)
            self._look(work)
        return _result(work, request)

    def _write_one(self, work: _Work, row: Mapping[str, Any]) -> tuple[Verdict, str | None]:
        id = row[ID]
        if work.error is not None:
            return unsent(work.error), id
        value = int(id) if id is not None and id.lstrip("-").isdecimal() else None
        sends_label = LABEL in row and row.get(sent(LABEL), True)
        label = row[LABEL] if sends_label else None
        if work.kind is WriteKind.CREATE:
            if value in work.choice.labels:
                return Verdict(Status.EXISTS, id=id), id
            if id is not None and value is None:
                why = f"{id} is no value of an option."
                return Verdict(
                    Status.REFUSED, why, remedy="Choose a whole number.", recovery=Recovery.CONFIGURATION
                ), id
        elif value is None or value not in work.choice.labels:
            return MISSING, id
        else:
            told = row.get(VERSION)
            if told is not None and told != version(value, work.choice.labels[value]):
                return STALE, id
            if work.kind is WriteKind.UPDATE and not sends_label:
                return work.written(value), id
        if work.kind is not WriteKind.DELETE and (refusal := _label_refusal(label)) is not None:
            return refusal, id
        return self._send(work, value, label), id

    def _send(self, work: _Work, value: int | None, label: str | None) -> Verdict:
        outcome = self._client.exchange(self._call(work, value, label))
        if isinstance(outcome, NoAnswer):
            if outcome.sent:
                work.reached = True
                return indeterminate(str(outcome.error.cause or outcome.error.message))
            work.error = outcome.error
            return unsent(outcome.error)
        work.reached = True
        if outcome.status >= 500 or outcome.status == 408:
            return indeterminate(said(read_error(outcome.status, outcome.content)))
        if outcome.status >= 300:
            return self._refused(work, value, outcome.status, outcome.content)
        if work.kind is WriteKind.CREATE:
            try:
                value = msgspec.json.decode(outcome.content, type=_Inserted).new_option_value
            except msgspec.DecodeError as error:
                work.wrote = True
                return indeterminate(f"The answer for this option cannot be read: {error}")
        return work.carried_out(value, label)

    def _call(self, work: _Work, value: int | None, label: str | None) -> Call:
        choice = work.choice
        body: dict[str, Any] = (
            {"OptionSetName": choice.global_name}
            if choice.global_name is not None
            else {"EntityLogicalName": work.table.entity, "AttributeLogicalName": work.table.column}
        )
        if value is not None:
            body["Value"] = value
        if work.kind is not WriteKind.DELETE:
            language = choice.language or self._site.organization.languagecode or ENGLISH
            body["Label"] = {"LocalizedLabels": [{"Label": label, "LanguageCode": language}]}
        if work.kind is WriteKind.UPDATE:
            # Labels in other languages stay.
            body["MergeLabels"] = True
        if self._site.settings.solution:
            body["SolutionUniqueName"] = self._site.settings.solution
        address = self._site.address(_ACTIONS[work.kind])
        return Call("POST", address, _HEADERS, msgspec.json.encode(body))

    def _refused(self, work: _Work, value: int | None, status: int, content: bytes) -> Verdict:
        """Return the verdict on a refusal; somebody else may have made or deleted the option meanwhile."""
        error = read_error(status, content)
        words = said(error)
        if status == 403:
            return Verdict(Status.REFUSED, words, error.code or None, None, PRIVILEGE_REMEDY, Recovery.CONFIGURATION)
        try:
            work.choice = self._options.choice(work.table)
        except TwinrowError as failure:
            return unsent(failure)
        there = value in work.choice.labels
        if work.kind is WriteKind.CREATE and there:
            return Verdict(Status.EXISTS, id=str(value))
        if work.kind is not WriteKind.CREATE and not there:
            return MISSING
        remedy = "Correct the label, or look whether the choice may be customized."
        return Verdict(Status.REFUSED, words, error.code or str(status), LABEL, remedy, Recovery.DATA)

    def _look(self, work: _Work) -> None:
        """Read what the options are now; where that fails, what was sent stands for it."""
        try:
            work.choice = self._options.choice(work.table)
        except TwinrowError:
            return


class _Work:
    """One request under way: the options as far as they are known, and what has become of each record so far."""

    def __init__(self, table: OptionTable, kind: WriteKind, choice: Choice) -> None:
        self.table = table
        self.kind = kind
        self.choice = choice
        self.verdicts: list[tuple[Verdict, str | None]] = []
        self.error: TwinrowError | None = None
        self.reached = False
        self.wrote = False

    def written(self, value: int) -> Verdict:
        """Return the verdict on an option that is as it should be."""
        return Verdict(Status.WRITTEN, id=str(value))

    def carried_out(self, value: int | None, label: str | None) -> Verdict:
        """Take note of a write that the service has carried out."""
        assert value is not None  # noqa: S101 - inserted options have the value of their answer
        self.wrote = True
        if self.kind is WriteKind.DELETE:
            self.choice.labels.pop(value, None)
        else:
            self.choice.labels[value] = label
        return self.written(value)


def _label_refusal(label: str | None) -> Verdict | None:
    if label is None or not label.strip():
        return Verdict(
            Status.REFUSED,
            "An option needs a label.",
            field=LABEL,
            remedy="Fill the field that the label comes from.",
            recovery=Recovery.DATA,
        )
    if len(label) > LONGEST_LABEL:
        return Verdict(
            Status.REFUSED,
            f"A label takes {LONGEST_LABEL} characters, the value has {len(label)}.",
            field=LABEL,
            remedy="Shorten the value, or let the field mapping cut it (on_loss).",
            recovery=Recovery.DATA,
        )
    return None


def _result(work: _Work, request: WriteRequest) -> pl.DataFrame:
    schema = result_schema(work.table.table, request.answered)
    rows = pl.DataFrame(
        {
            **verdict_columns([verdict for verdict, _ in work.verdicts]),
            ID: pl.Series([verdict.id or id for verdict, id in work.verdicts], dtype=pl.String),
        },
        strict=False,
    )
    now = records(work.table, (VALUE, LABEL), work.choice.labels)
    told = rows.join(now, on=ID, how="left", maintain_order="left")
    written = pl.col(STATUS) == Status.WRITTEN.value
    known = [name for name in schema if name in now.columns and name != ID]
    told = told.with_columns(pl.when(written).then(pl.col(name)).alias(name) for name in known)
    return told.select(pl.col(name).cast(kind) for name, kind in schema.items())
