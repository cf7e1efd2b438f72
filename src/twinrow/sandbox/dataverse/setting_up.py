"""A new environment: organisation, base currency, root business unit, roles, users for the applications, solutions.

Ids are the same in every sandbox, so that a reset brings back the environment that clients knew.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from twinrow.sandbox.dataverse.aftermath import make_unit_parts
from twinrow.sandbox.dataverse.catalog import Table
from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.rules import defaults_of
from twinrow.sandbox.dataverse.schema import BASE_LANGUAGE, metadata_id
from twinrow.sandbox.dataverse.values import guid
from twinrow.sandbox.sample.words import codes
from twinrow.sandbox.sign_in import Client

ORGANIZATION = metadata_id("row", "organization")
BASE_CURRENCY = metadata_id("row", "transactioncurrency", "EUR")
ROOT_UNIT = metadata_id("row", "businessunit", "root")
COMPANY_NAME = "Wieland Werke"
MESSAGES = (
    "Create",
    "Update",
    "Delete",
    "CreateMultiple",
    "UpdateMultiple",
    "UpsertMultiple",
    "Associate",
    "Disassociate",
)
ROLES = ("System Administrator", "System Customizer", "Salesperson", "Business Central Dataverse Integration")
_LOCAL_CODE = "EUR"
_EXPIRE_SUBSCRIPTIONS_DAYS = 90
_DEFAULT_PUBLISHER_PREFIX = 10000
_SUBSCRIBER_PREFIX = 72700


def user_id(client_id: str) -> str:
    """The id of the application user of a client."""
    return metadata_id("row", "systemuser", client_id)


def fill(environment: Environment, clients: Iterable[Client]) -> None:
    """Put into an empty database what every environment has."""
    clients = list(clients)
    administrator = user_id("administrator")
    call = Call(administrator, None, environment.now(), "")
    storage = environment.storage
    environment.organization_id, environment.root_unit_id = ORGANIZATION, ROOT_UNIT
    euro = next(currency for currency in codes().currencies if currency.code == _LOCAL_CODE)
    _insert(
        environment,
        call,
        "transactioncurrency",
        transactioncurrencyid=BASE_CURRENCY,
        isocurrencycode=euro.code,
        currencyname=euro.name,
        currencysymbol=euro.symbol,
        currencyprecision=euro.decimals,
        exchangerate=f"{Decimal(1):.12f}",
        currencytype=0,
        statecode=0,
        statuscode=1,
        organizationid=ORGANIZATION,
    )
    _insert(
        environment,
        call,
        "organization",
        organizationid=ORGANIZATION,
        name=COMPANY_NAME,
        basecurrencyid=BASE_CURRENCY,
        basecurrencyprecision=euro.decimals,
        basecurrencysymbol=euro.symbol,
        currencydecimalprecision=2,
        pricingdecimalprecision=2,
        languagecode=BASE_LANGUAGE,
        localeid=BASE_LANGUAGE,
        fullnameconventioncode=1,
        expirechangetrackingindays=environment.number("delta_expiry_days"),
        expiresubscriptionsindays=_EXPIRE_SUBSCRIPTIONS_DAYS,
        dateformatstring="M/d/yyyy",
        timeformatstring="h:mm tt",
        schemanameprefix="new",
    )
    _insert(environment, call, "businessunit", businessunitid=ROOT_UNIT, name=COMPANY_NAME, organizationid=ORGANIZATION)
    for name in ROLES:
        role = metadata_id("row", "role", name)
        _insert(environment, call, "role", roleid=role, name=name, businessunitid=ROOT_UNIT, parentrootroleid=role)
    make_unit_parts(environment, call, ROOT_UNIT, COMPANY_NAME)
    for client in (Client("administrator", "", "System Administrator", person=True), *clients):
        add_user(environment, call, client)
    _add_solutions(environment, call)
    _add_messages(environment, call)
    environment.forget()
    write_string_map(environment, call, environment.catalog.tables.values())
    storage.execute("UPDATE sandbox_version SET version = ?", (storage.version,))


def add_user(environment: Environment, call: Call, client: Client) -> None:
    """The user as whom an application or a person signs in."""
    first, _, last = client.name.partition(" ")
    _insert(
        environment,
        call,
        "systemuser",
        systemuserid=user_id(client.client_id),
        firstname=first,
        lastname=last,
        fullname=client.name,
        domainname=f"{client.client_id}@sandbox.example",
        internalemailaddress=f"{client.client_id}@sandbox.example",
        businessunitid=ROOT_UNIT,
        organizationid=ORGANIZATION,
        applicationid=guid(client.client_id) or metadata_id("application", client.client_id),
        azureactivedirectoryobjectid=metadata_id("object", client.client_id),
        accessmode=0 if client.person else 4,
        isintegrationuser=int(not client.person),
        islicensed=int(client.person),
    )


def write_string_map(environment: Environment, call: Call, tables: Iterable[Table]) -> None:
    """The labels of all options of some tables as rows, as they are published."""
    storage = environment.storage
    for table in tables:
        storage.execute("DELETE FROM stringmap WHERE objecttypecode = ?", (table.name,))
        for column, options in table.options.items():
            for order, option in enumerate(options, 1):
                for language, label in option.labels.items():
                    _insert(
                        environment,
                        call,
                        "stringmap",
                        stringmapid=metadata_id("stringmap", table.name, column, str(option.value), str(language)),
                        objecttypecode=table.name,
                        attributename=column,
                        attributevalue=option.value,
                        value=label,
                        langid=language,
                        displayorder=order,
                    )


def add_message_filters(environment: Environment, call: Call, table: Table) -> None:
    """Make known which messages a table takes."""
    for message in MESSAGES:
        _insert(
            environment,
            call,
            "sdkmessagefilter",
            sdkmessagefilterid=metadata_id("row", "sdkmessagefilter", message, table.name),
            sdkmessageid=metadata_id("row", "sdkmessage", message),
            primaryobjecttypecode=table.name,
            secondaryobjecttypecode="none",
            iscustomprocessingstepallowed=1,
        )


def _add_solutions(environment: Environment, call: Call) -> None:
    publishers = (
        ("DefaultPublisherSandbox", "Default Publisher", "new", _DEFAULT_PUBLISHER_PREFIX),
        ("subscriber", "Business Central Subscriber", "bcbi", _SUBSCRIBER_PREFIX),
    )
    for unique, friendly, prefix, values in publishers:
        _insert(
            environment,
            call,
            "publisher",
            publisherid=metadata_id("row", "publisher", unique),
            uniquename=unique,
            friendlyname=friendly,
            customizationprefix=prefix,
            customizationoptionvalueprefix=values,
        )
    solutions = (
        ("Default", "Default Solution", "1.0", "DefaultPublisherSandbox"),
        ("bcbi_CdsBaseIntegration", "Business Central Cds Base Integration", "1.1.0.0", "subscriber"),
    )
    for unique, friendly, version, publisher in solutions:
        _insert(
            environment,
            call,
            "solution",
            solutionid=metadata_id("row", "solution", unique),
            uniquename=unique,
            friendlyname=friendly,
            version=version,
            publisherid=metadata_id("row", "publisher", publisher),
            ismanaged=int(unique != "Default"),
            isvisible=1,
        )


def _add_messages(environment: Environment, call: Call) -> None:
    for message in MESSAGES:
        key = metadata_id("row", "sdkmessage", message)
        _insert(environment, call, "sdkmessage", sdkmessageid=key, name=message, isactive=1)
    for table in list(environment.catalog.tables.values()):
        if "_createdby_value" in table.properties:
            add_message_filters(environment, call, table)


def _insert(environment: Environment, call: Call, table_name: str, **values: Any) -> None:
    table = environment.catalog.tables[table_name]
    row = {**defaults_of(table), **values, "versionnumber": environment.storage.next_version()}
    if "createdon" in table.properties:
        row |= {"createdon": call.now, "modifiedon": call.now, "createdby": call.user, "modifiedby": call.user}
    environment.storage.insert(table, row)
