"""What is wrong is told in a few lines: what it is, why, what to do next. Exit code 2, no traceback, no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.terminal import Terminal, Told, add_systems
from twinrow.cli.sandbox import SandboxPair, open_sandboxes

MAPPING = """\
version: 1
mappings:
  - name: CUSTOMER
    local_table: customers
    integration_table: account
    direction: bidirectional
    fields:
      - {local: displayName, integration: name, on_loss: overwrite}
      - {local: phoneNumber, integration: telephone1, on_loss: overwrite}
"""


def sentences(told: Told) -> list[str]:
    """Return what stands on standard error, and hold it short."""
    assert "Traceback" not in told.err
    lines = told.err.splitlines()
    assert 0 < len(lines) <= 4, told.err
    return lines


# Names and options.


def test_a_store_that_is_not_there_is_not_made(terminal: Terminal) -> None:
    told = terminal.run("sync", code=2)
    assert sentences(told)[0] == f"Error: There is no store twinrow.db in {terminal.folder}."
    assert "twinrow system add" in told.err
    assert not (terminal.folder / "twinrow.db").exists()


def test_an_unknown_mapping_is_named_with_those_that_there_are(synchronized: SandboxPair, terminal: Terminal) -> None:
    told = terminal.run("sync", "CUSTOMRE", code=2)
    assert "CUSTOMRE" in sentences(told)[0]
    assert "CUSTOMER" in told.err
    for words in (
        ("errors", "list"),
        ("pending", "list"),
        ("couplings", "list"),
        ("mapping", "show"),
        ("jobs", "list"),
    ):
        assert "NOBODY" in sentences(terminal.run(*words, "NOBODY", code=2))[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sync", "--direction", "sideways"), "sideways"),
        (("sync", "--record", "1"), "Name the one mapping that the records belong to."),
        (("sync", "CUSTOMER", "VENDOR", "--record", "1"), "Name the one mapping that the records belong to."),
        (("sync", "--nothing"), "No such option"),
        (("system", "add", "x", "mainframe"), "mainframe"),
        (("system", "add", "x", "sql", "--set", "nothing"), "Write it as KEY=VALUE."),
        (("demo", "--customers", "0"), "--customers"),
        (("pending", "retry"), "Missing argument"),
        (("frobnicate",), "frobnicate"),
    ],
)
def test_wrong_usage_is_shown_with_how_it_is_used(terminal: Terminal, words: tuple[str, ...], said: str) -> None:
    told = terminal.run(*words, code=2)
    assert said in told.err
    assert "Usage: " in told.err
    assert "--help" in told.err


def test_a_run_and_a_connection_that_do_not_exist_are_named(synchronized: SandboxPair, terminal: Terminal) -> None:
    assert "4711" in sentences(terminal.run("jobs", "show", "4711", code=2))[0]
    assert "elsewhere" in sentences(terminal.run("sync", "--connection", "elsewhere", code=2))[0]
    assert "shop" in sentences(terminal.run("system", "test", "shop", code=2))[0]


def test_records_that_do_not_exist_cannot_be_coupled(synchronized: SandboxPair, terminal: Terminal) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    told = terminal.run("couple", "CUSTOMER", nobody, nobody, code=2)
    assert sentences(told)[0] == f"Error: There is no local record {nobody} in customers."


# Secrets.


@pytest.mark.parametrize(
    "words",
    [
        ("--secret", "hunter2-not-a-reference"),
        ("--set", "password=hunter2-not-a-reference"),
        ("--set", "hunter2-not-a-reference"),
    ],
)
def test_a_secret_itself_is_refused_and_not_repeated(terminal: Terminal, words: tuple[str, str]) -> None:
    told = terminal.run("system", "add", "shop", "sql", "--url", "postgresql://me@localhost/shop", *words, code=2)
    assert "hunter2" not in told.out + told.err
    assert not (terminal.folder / "twinrow.db").exists()


def test_a_password_in_an_address_is_refused_and_not_repeated(terminal: Terminal) -> None:
    told = terminal.run("system", "add", "shop", "sql", "--url", "postgresql://me:hunter2@localhost/shop", code=2)
    assert "Error: The address holds a password" in sentences(told)[0]
    assert "hunter2" not in told.out + told.err


def test_a_reference_that_leads_nowhere_is_named(pair: SandboxPair, terminal: Terminal) -> None:
    add_systems(terminal, pair)
    settings = {**pair.options("dataverse"), "secret": "env:NOT_SET_ANYWHERE"}
    terminal.run("system", "add", "crm", "dataverse", *(f"--set={key}={value}" for key, value in settings.items()))
    told = terminal.run("connection", "setup", code=2)
    assert "NOT_SET_ANYWHERE" in sentences(told)[0]


# Systems: which of the settings is wrong.


def changed(pair: SandboxPair, terminal: Terminal, kind: str, **settings: str) -> Told:
    """Test a system with some of its settings changed; return what is told."""
    options = {**pair.options("dataverse" if kind == "dataverse" else "business-central"), **settings}
    words = [f"--set={key}={value}" for key, value in options.items()]
    terminal.run("system", "add", "wrong", kind, *words)
    return terminal.run("system", "test", "wrong", code=2)


def failed(told: Told) -> str:
    """Return the lines of the first check that failed, as one text."""
    lines = told.out.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("✗"))
    return " ".join(line.strip() for line in lines[first : first + 3])


@pytest.mark.parametrize("kind", ["business-central", "dataverse"])
@pytest.mark.parametrize(
    ("settings", "what", "said"),
    [
        ({"address": "https://localhost:1"}, "Address", "localhost"),
        ({"address": "https://nowhere.invalid"}, "Address", "nowhere.invalid"),
        ({"client_id": "somebody-else"}, "Sign-in", "client id"),
    ],
)
def test_a_test_says_which_setting_is_wrong(
    pair: SandboxPair, terminal: Terminal, kind: str, settings: dict[str, str], what: str, said: str
) -> None:
    found = failed(changed(pair, terminal, kind, **settings))
    assert found.startswith(f"✗ {what}") or found.split()[1] == what
    assert said in found


@pytest.mark.parametrize("kind", ["business-central", "dataverse"])
def test_a_wrong_secret_is_told_from_a_wrong_certificate(
    pair: SandboxPair, terminal: Terminal, kind: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hunter2")
    told = changed(pair, terminal, kind, secret=f"file:{secret}")
    assert failed(told).split()[1] == "Sign-in"
    assert "secret" in failed(told)
    assert "hunter2" not in told.out
    with open_sandboxes(tmp_path / "other", 1) as other:
        told = changed(pair, terminal, kind, ca_file=str(other.ca_file))
    assert failed(told).split()[1] == "Certificate"


def test_a_company_and_an_environment_that_do_not_exist_are_told_with_those_that_do(
    pair: SandboxPair, terminal: Terminal
) -> None:
    company = failed(changed(pair, terminal, "business-central", company="Nobody Ltd."))
    assert company.split()[1] == "Company"
    assert "Wieland Werke GmbH" in company
    environment = failed(changed(pair, terminal, "business-central", environment="elsewhere"))
    assert environment.split()[1] == "Environment"


def test_settings_that_are_wrong_are_named_without_their_values(terminal: Terminal) -> None:
    told = terminal.run("system", "add", "crm", "dataverse", "--url", "http://plain.example", code=2)
    assert "address: must begin with https://" in told.err
    assert "tenant: Field required" in told.err
    assert not (terminal.folder / "twinrow.db").exists() or terminal.read("system", "list")["systems"] == []


def test_a_system_that_is_gone_ends_the_command(terminal: Terminal, tmp_path: Path) -> None:
    with open_sandboxes(tmp_path / "gone", 1) as pair:
        add_systems(terminal, pair)
    told = terminal.run("connection", "setup", code=2)
    assert "cannot be reached" in sentences(told)[0]


# Mapping files.


@pytest.mark.parametrize(
    ("wrong", "right", "line", "said"),
    [
        ("direction: sideways", "direction: bidirectional", 6, "sideways"),
        ("local_tabel: customers", "local_table: customers", 4, "local_tabel"),
        ("local_table: custommers", "local_table: customers", 4, "custommers"),
        ("integration: namme", "integration: name", 8, "namme"),
        ("local: displayNam,", "local: displayName,", 8, "displayNam"),
        ("on_loss: perhaps}", "on_loss: overwrite}", 8, "perhaps"),
    ],
)
def test_a_mapping_file_is_wrong_at_a_line(
    synchronized: SandboxPair, terminal: Terminal, wrong: str, right: str, line: int, said: str
) -> None:
    before = terminal.run("mapping", "export").out
    (terminal.folder / "customers.yaml").write_text(MAPPING.replace(right, wrong, 1))
    told = terminal.run("mapping", "apply", "customers.yaml", code=2)
    assert f"customers.yaml:{line}" in told.err.replace(", line ", ":")
    assert said in told.err
    assert "nothing has been changed" in told.err
    problems = terminal.read("mapping", "check", "customers.yaml", code=2)["problems"]
    assert line in [problem["line"] for problem in problems if problem["severity"] == "error"]
    assert terminal.run("mapping", "export").out == before


def test_a_mapping_file_that_is_no_yaml_or_not_there_is_named(synchronized: SandboxPair, terminal: Terminal) -> None:
    (terminal.folder / "broken.yaml").write_text("mappings: [\n")
    assert "broken.yaml" in sentences(terminal.run("mapping", "apply", "broken.yaml", code=2))[0]
    assert "missing.yaml" in sentences(terminal.run("mapping", "apply", "missing.yaml", code=2))[0]
