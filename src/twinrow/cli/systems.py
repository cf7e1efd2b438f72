"""`twinrow system`: adding systems, testing them, looking at their tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from twinrow.cli.failures import CANNOT
from twinrow.cli.options import DEFAULT_STORE, AsJson, Store
from twinrow.cli.screen import plural, show, show_lines, table
from twinrow.cli.session import workspace

if TYPE_CHECKING:
    from twinrow.connectors.base import Capabilities, Check
    from twinrow.model.tables import Field, Table

system = typer.Typer(no_args_is_help=True, help="Systems: add, test, list them, and look at their tables.")

Kind = Literal["business-central", "dataverse", "sql"]

_SECRETS = ("secret", "password", "certificate_password")
_NOT_SHOWN = ("address", "url")


@system.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the system is to be called.")],
    kind: Annotated[
        Kind, typer.Argument(metavar="KIND", help="business-central, dataverse or sql.", show_choices=False)
    ],
    url: Annotated[str | None, typer.Option(metavar="URL", help="The address of the system or database.")] = None,
    tenant: Annotated[str | None, typer.Option(metavar="TENANT", help="The tenant to sign in to.")] = None,
    environment: Annotated[
        str | None, typer.Option(metavar="NAME", help="The environment of Business Central.")
    ] = None,
    company: Annotated[str | None, typer.Option(metavar="COMPANY", help="The company of Business Central.")] = None,
    client_id: Annotated[str | None, typer.Option(metavar="ID", help="The registered application.")] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            metavar="REFERENCE",
            help="Where the application's secret, or the database's password, is: env:NAME or file:PATH.",
        ),
    ] = None,
    authority: Annotated[
        str | None, typer.Option(metavar="URL", help="Another sign-in service than Microsoft's.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate authorities to trust besides.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting of this kind; may be given several times."),
    ] = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Add a system. A name that is there already gets these settings instead of those it had."""
    given = {
        "url" if kind == "sql" else "address": url,
        "tenant": tenant,
        "environment": environment,
        "company": company,
        "client_id": client_id,
        "password" if kind == "sql" else "secret": _anchored(secret),
        "authority": authority,
        "ca_file": str(ca_file.absolute()) if ca_file is not None else None,
    }
    options: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    for setting in settings or []:
        _put(options, setting)
    _hold_references(options)
    with workspace(store, create=True) as opened:
        known = {one.name for one in opened.list_systems()}
        added = opened.add_system(name, kind, **options)
        show_lines(
            [
                f"{'Changed' if name in known else 'Added'} the system {added.name} ({added.kind}).",
                f"Next: twinrow system test {added.name}",
            ]
        )


def _anchored(reference: str | None) -> str | None:
    """Return a reference to a file with its full path, so that it leads there from any folder."""
    if reference is not None and reference.startswith("file:"):
        return f"file:{Path(reference.removeprefix('file:')).absolute()}"
    return reference


def _put(options: dict[str, Any], setting: str) -> None:
    """Add a setting `key=value`; points in the key lead into settings that hold others."""
    key, equals, text = setting.partition("=")
    if not equals or not key:
        # What was typed is not repeated: it may be a secret.
        raise typer.BadParameter("Write it as KEY=VALUE.", param_hint="--set")
    *parents, last = key.split(".")
    place = options
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise typer.BadParameter(f"{key} has no settings within it.", param_hint="--set")
    place[last] = _value(text)


def _value(text: str) -> Any:
    """Return a list or a group of settings where the text is one in JSON; else the text, which the kind converts."""
    if text.startswith(("[", "{")):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _hold_references(options: dict[str, Any]) -> None:
    """Refuse secrets that are given themselves. Raises `ConfigurationError`, which repeats nothing of them."""
    from twinrow.model.errors import ConfigurationError

    for key in _SECRETS:
        value = options.get(key)
        if value is not None and not str(value).startswith(("env:", "file:")):
            raise ConfigurationError(
                "A secret is never given itself, only where it is: env:NAME or file:PATH",
                remedy="Put it into a variable of the environment or a file, and name that. If you have just typed the "
                "secret, it may stand in the history of your shell: remove it there.",
            )
    if _has_password(str(options.get("url", ""))):
        raise ConfigurationError(
            "The address holds a password, and the store would keep it readable",
            remedy="Leave it out of the address, and say where it is: --secret env:NAME or --secret file:PATH.",
        )


def _has_password(url: str) -> bool:
    from urllib.parse import urlsplit

    try:
        return urlsplit(url).password is not None
    except ValueError:
        return False


@system.command(name="list")
def list_(as_json: AsJson = False, store: Store = DEFAULT_STORE) -> None:
    """List the systems with their settings."""
    with workspace(store) as opened:
        found = opened.list_systems()
    if as_json:
        from twinrow.cli.documents import print_document, system_document

        print_document({"systems": [system_document(one) for one in found]})
        return
    if not found:
        show_lines(["There is no system yet.", "Next: twinrow system add NAME KIND"])
        return
    rows = []
    for one in found:
        address = next((str(one.options[key]) for key in _NOT_SHOWN if key in one.options), "")
        others = [f"{key}={value}" for key, value in one.options.items() if key not in _NOT_SHOWN]
        rows.append((one.name, one.kind, "\n".join(filter(None, [address, *others]))))
    show(table(("System", "Kind", "Settings"), rows))


@system.command()
def accept(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The system.")],
    keep_couplings: Annotated[
        bool | None,
        typer.Option(
            "--keep-couplings/--forget-couplings",
            metavar="",
            help="Its records are those of before under the same ids; or they are others.",
            show_default=False,
        ),
    ] = None,
    store: Store = DEFAULT_STORE,
) -> None:
    """Go on with a system whose settings lead to another environment than the one its couplings were made with.

    With --keep-couplings (it was moved, or restored) all its records are read again and compared; with --forget-couplings
    nothing is coupled any more. The records stay as they are.
    """
    if keep_couplings is None:
        raise typer.BadParameter("Say --keep-couplings or --forget-couplings.", param_hint="--keep-couplings")
    with workspace(store) as opened:
        concerned = opened.accept_system(name, keep_couplings=keep_couplings)
    if not concerned:
        show_lines([f"{name} leads to the environment that is known already."])
        return
    kept = "kept" if keep_couplings else "forgotten"
    show_lines([f"{mapping}: {plural(count, 'coupling')} {kept}." for mapping, count in concerned.items()])
    show_lines(["Next: twinrow verify MAPPING, then twinrow sync" if keep_couplings else "Next: twinrow sync --plan"])


@system.command(name="test")
def run_checks(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="The systems; all, if none is named.")
    ] = None,
    as_json: AsJson = False,
    store: Store = DEFAULT_STORE,
) -> None:
    """Look at everything that must be right before a system can be synchronized."""
    with workspace(store) as opened:
        wanted = names or [one.name for one in opened.list_systems()]
        checks = {name: opened.test_system(name) for name in wanted}
    passed = all(check.passed for found in checks.values() for check in found)
    if as_json:
        from twinrow.cli.documents import check_document, print_document

        systems = [{"name": name, "checks": [check_document(one) for one in found]} for name, found in checks.items()]
        print_document({"passed": passed, "systems": systems})
    else:
        for name, found in checks.items():
            show(table(("", name, "Found"), [_row(check) for check in found]))
        if not checks:
            show_lines(["There is no system yet.", "Next: twinrow system add NAME KIND"])
    if not passed:
        raise typer.Exit(CANNOT)


def _row(check: Check) -> tuple[str, str, str]:
    remedy = f"→ {check.remedy}" if check.remedy else ""
    return ("✓" if check.passed else "✗", check.name, "\n".join(filter(None, [check.found, remedy])))


@system.command()
def schema(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The system.")],
    table_name: Annotated[
        str | None, typer.Argument(metavar="TABLE", help="The table; without it the tables are listed.")
    ] = None,
    as_json: AsJson = False,
    store: Store = DEFAULT_STORE,
) -> None:
    """List the tables of a system that can be mapped, or the fields of one of them."""
    from twinrow.cli.documents import print_document, table_document

    with workspace(store) as opened:
        if table_name is None:
            tables = opened.list_tables(name)
            if as_json:
                print_document({"system": name, "tables": tables})
            else:
                show_lines([*tables, "", f"{plural(len(tables), 'table')}. Next: twinrow system schema {name} TABLE"])
            return
        described, capabilities = opened.describe_table(name, table_name)
    if as_json:
        print_document({"system": name, **table_document(described, capabilities)})
        return
    rows = [
        (field.name, field.caption, _type(field), _remarks(described, field)) for field in described.fields.values()
    ]
    title = f"{described.name} ({described.caption})" if described.caption else described.name
    show(table(("Field", "Caption", "Type", "Remarks"), rows, title=title))
    show_lines(_abilities(described, capabilities))


def _type(field: Field) -> str:
    if field.max_length is not None:
        return f"{field.type.value}({field.max_length})"
    return f"{field.type.value}({field.scale} decimals)" if field.scale is not None else field.type.value


def _remarks(described: Table, field: Field) -> str:
    remarks = []
    if field.name == described.key:
        remarks.append("key")
    if not field.writable:
        remarks.append("read only")
    elif not field.updatable:
        remarks.append("only when made")
    elif not field.creatable:
        remarks.append("only when changed")
    if field.required:
        remarks.append("required")
    if field.targets:
        remarks.append(f"of {', '.join(field.targets)}")
    if field.options:
        remarks.append(", ".join(f"{option.value} {option.caption}".strip() for option in field.options))
    return "; ".join(remarks)


def _abilities(described: Table, capabilities: Capabilities) -> list[str]:
    feeds = {
        "delta": "the system's own record of changes",
        "row version": "row version",
        "modified at": "the time of the last change",
        "whole": "reading and comparing everything",
    }
    creates = {
        "chosen": "a create can be repeated safely: its id is chosen",
        "mark": "a create can be repeated safely: it carries a mark",
        "proposed": "a create can be repeated safely: its id is reserved",
        "none": "a create cannot be told from its repetition",
    }
    lines = [
        f"Changes are found by {feeds[capabilities.feed.value]}.",
        f"Versions are checked when it is written: {'yes' if capabilities.version_checks else 'no'}; "
        f"{creates[capabilities.create_keys.value]}.",
    ]
    lines += [f"Limit: {limit}" for limit in capabilities.limits]
    lines += [f"Not served here: {name} ({reason})" for name, reason in described.absent.items()]
    return lines
