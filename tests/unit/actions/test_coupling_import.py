"""Couplings of another program: read from a file or a table, checked against both sides, then stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinrow.model.errors import ConfigurationError, UnknownName
from twinrow.model.tables import Field, FieldType
from twinrow.testing.pair import ACCOUNTS, CUSTOMERS, MemoryPair, customer_mapping, table

LINKS = table(
    "links",
    "id",
    Field("integrationId", FieldType.TEXT),
    Field("crmId", FieldType.TEXT),
    Field("table", FieldType.INTEGER),
)


def pair_of(count: int = 3, **more: str) -> tuple[MemoryPair, list[tuple[str, str]]]:
    pair = MemoryPair(
        customer_mapping(only_coupled=True, **more), local_tables=(CUSTOMERS, LINKS), integration_tables=(ACCOUNTS,)
    )
    ids = [
        (
            pair.local.add("customers", {"displayName": f"N{i}", "number": f"C{i}"}),
            pair.integration.add("account", {"name": f"N{i}", "accountnumber": f"c{i}"}),
        )
        for i in range(count)
    ]
    return pair, ids


def file_of(folder: Path, *lines: str) -> Path:
    path = folder / "couplings.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    return path


def test_pairs_of_ids_are_coupled_and_synchronized_by_the_next_run(tmp_path: Path) -> None:
    pair, ids = pair_of()
    with pair:
        pair.couple(*ids[0])
        path = file_of(tmp_path, "local;integration", *(f"{local};{{{account.upper()}}}" for local, account in ids))

        planned = pair.workspace.import_couplings("CUSTOMER", path, plan=True)
        assert (planned.run, planned.coupled, planned.already, planned.failed) == (None, 2, 1, 0)
        assert len(pair.counterparts()) == 1

        done = pair.workspace.import_couplings("CUSTOMER", path)
        assert (done.coupled, done.already, done.failed) == (2, 1, 0)
        assert pair.counterparts() == dict(ids)
        (job, *_) = pair.workspace.list_jobs("CUSTOMER")
        assert (job.type, job.coupled, job.state) == ("coupling", 2, "finished")
        assert pair.synchronize().succeeded
        again = pair.workspace.import_couplings("CUSTOMER", path)
        assert (again.coupled, again.already) == (0, 3)


def test_pairs_of_keys_are_found_by_the_fields_that_hold_them(tmp_path: Path) -> None:
    pair, ids = pair_of()
    with pair:
        path = file_of(tmp_path, "No.\tAccount", "C0\tC0", "C2\tc2")
        done = pair.workspace.import_couplings(
            "CUSTOMER",
            path,
            local_column="No.",
            integration_column="Account",
            local_key="number",
            integration_key="accountnumber",
        )
        assert done.coupled == 2
        assert pair.counterparts() == {ids[0][0]: ids[0][1], ids[2][0]: ids[2][1]}


def test_pairs_of_a_table_of_the_local_system() -> None:
    pair, ids = pair_of()
    with pair:
        for number, (local, account) in enumerate(ids):
            pair.local.add("links", {"integrationId": local, "crmId": account, "table": 18 if number else 23})
        done = pair.workspace.import_couplings(
            "CUSTOMER", "links", local_column="integrationId", integration_column="crmId", where="table eq 18"
        )
        assert (done.given, done.coupled) == (2, 2)


def test_whatever_is_wrong_with_a_pair_is_told_and_the_rest_goes_through(tmp_path: Path) -> None:
    pair, ids = pair_of(7, integration_filter="fax ne 'out'")
    unknown = "99999999-9999-4999-8999-999999999999"
    with pair:
        pair.couple(*ids[0])
        pair.integration.edit("account", ids[5][1], fax="out")
        path = file_of(
            tmp_path,
            "local,integration",
            f"{ids[1][0]},{ids[1][1]}",
            f"{unknown},{ids[2][1]}",
            f"{ids[2][0]},no id at all",
            f",{ids[2][1]}",
            f"{ids[2][0]},{ids[0][1]}",
            f"{ids[3][0]},{ids[3][1]}",
            f"{ids[3][0]},{ids[4][1]}",
            f"{ids[5][0]},{ids[5][1]}",
            f"{ids[6][0]},{ids[6][1]}",
            f"{ids[6][0]},{ids[6][1]}",
        )

        done = pair.workspace.import_couplings("CUSTOMER", path)

        assert {one.line: one.problem.removeprefix("the ") for one in done.refused} == {
            2: f"local record {unknown} does not exist",
            3: "integration record no id at all does not exist",
            4: "no local record is given",
            5: f"integration record is coupled to another one, {ids[0][0]}",
            6: "local record: it is given twice, with different ones",
            7: "local record: it is given twice, with different ones",
            8: f"integration record {ids[5][1]} does not satisfy the filter of the mapping",
            10: "it is given twice",
        }
        assert pair.counterparts() == {ids[n][0]: ids[n][1] for n in (0, 1, 6)}
        assert done.run is not None
        errors = pair.workspace.list_errors("CUSTOMER")
        assert len(errors) == done.failed == 8
        assert all(row.message.startswith("not coupled: ") for row in errors)


def test_a_source_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    pair, _ = pair_of(1)
    with pair:
        with pytest.raises(ConfigurationError, match="neither a file"):
            pair.workspace.import_couplings("CUSTOMER", "nowhere.csv")
        with pytest.raises(UnknownName, match="column"):
            pair.workspace.import_couplings("CUSTOMER", file_of(tmp_path, "a,b", "1,2"))
        with pytest.raises(UnknownName, match="field"):
            pair.workspace.import_couplings("CUSTOMER", file_of(tmp_path, "local,integration"), local_key="nothing")
        broken = tmp_path / "broken.csv"
        broken.write_bytes(b"local,integration\n\xff\xfe\x00,1\n")
        with pytest.raises(ConfigurationError, match="cannot be read"):
            pair.workspace.import_couplings("CUSTOMER", broken)


def test_an_empty_file_couples_nothing(tmp_path: Path) -> None:
    pair, _ = pair_of(1)
    with pair:
        assert pair.workspace.import_couplings("CUSTOMER", file_of(tmp_path, "local,integration")).given == 0


def test_key_values_of_another_type_name_no_record(tmp_path: Path) -> None:
    pair, ids = pair_of(1)
    with pair:
        link = pair.local.add("links", {"integrationId": ids[0][0], "crmId": ids[0][1], "table": 18})
        pair.integration.edit("account", ids[0][1], statecode=1)
        path = file_of(tmp_path, "local,integration", f"{ids[0][0]},1", f"{ids[0][0]},no number")
        done = pair.workspace.import_couplings("CUSTOMER", path, integration_key="statecode")
        assert (done.coupled, done.failed) == (1, 1)
        assert done.refused[0].problem == "the integration record no number does not exist"
        assert link


def test_headers_that_are_the_same_are_told(tmp_path: Path) -> None:
    pair, _ = pair_of(1)
    with pair, pytest.raises(ConfigurationError, match="cannot be read"):
        pair.workspace.import_couplings("CUSTOMER", file_of(tmp_path, "local, local,integration", "1,2,3"))
