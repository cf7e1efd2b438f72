"""The sample company's CRM side: its users, and the partners that the CRM met first.

Everything else of the sample (customers, vendors, currencies, salespeople) is on the ERP side and waits to be
synchronized. The rows are made over the same way as a caller's, so that rules apply.
"""

from __future__ import annotations

from typing import Any

from twinrow.sandbox.dataverse.environment import Call, Environment
from twinrow.sandbox.dataverse.schema import metadata_id
from twinrow.sandbox.dataverse.setting_up import ROOT_UNIT, user_id
from twinrow.sandbox.dataverse.writing import create, link, update
from twinrow.sandbox.sample import Party, Person, sample_company
from twinrow.sandbox.sample.company import User

CUSTOMER, VENDOR = 3, 11
_UNITS = ("Sales", "Service")
_NOTHING: frozenset[str] = frozenset()


def load_sample(environment: Environment, customers: int, seed: int) -> dict[str, int]:
    """Fill in business units, teams, users, and accounts with contacts; gives how many of each."""
    company = sample_company(customers, seed)
    call = Call(user_id("administrator"), None, environment.now(), "")
    units = [
        _make(environment, call, "businessunit", {"businessunitid": _id("unit", name), "name": name}) for name in _UNITS
    ]
    users = [_make_user(environment, call, user, units[0]) for user in company.users()]
    team = _make(
        environment,
        call,
        "team",
        {
            "teamid": _id("team", "Key Accounts"),
            "name": "Key Accounts",
            "businessunitid@odata.bind": f"/businessunits({units[0]})",
        },
    )
    sellers = [key for key, user in zip(users, company.users(), strict=True) if user.salesperson]
    teams, membership = environment.catalog.tables["team"], "teammembership_association"
    for seller in sellers[:2]:
        link(environment, call, teams, team, teams.collections[membership], f"/systemusers({seller})")
    accounts = contacts = 0
    for party in company.crm_parties():
        owner = f"/systemusers({sellers[party.number % len(sellers)]})"
        contacts += _make_party(environment, call, party, owner)
        accounts += 1
    return {
        "businessunit": len(units),
        "systemuser": len(users),
        "team": 1,
        "account": accounts,
        "contact": contacts,
    }


def _make_user(environment: Environment, call: Call, user: User, unit: str) -> str:
    first, _, last = user.name.partition(" ")
    body: dict[str, Any] = {
        "systemuserid": _id("user", user.mail),
        "firstname": first,
        "lastname": last,
        "title": user.title,
        "domainname": user.mail,
        "internalemailaddress": user.mail,
        "azureactivedirectoryobjectid": _id("object", user.mail),
        "businessunitid@odata.bind": f"/businessunits({unit if user.salesperson else ROOT_UNIT})",
    }
    key = _make(environment, call, "systemuser", body)
    # Licences and disabling come from outside the Web API.
    environment.storage.execute(
        "UPDATE systemuser SET islicensed = 1, isdisabled = ? WHERE systemuserid = ?", (int(user.disabled), key)
    )
    return key


def _make_party(environment: Environment, call: Call, party: Party, owner: str) -> int:
    account = _make(
        environment,
        call,
        "account",
        {
            "accountid": party.id,
            "name": party.name,
            "customertypecode": CUSTOMER if party.kind == "customer" else VENDOR,
            "telephone1": party.phone,
            "fax": party.fax,
            "emailaddress1": party.mail,
            "websiteurl": party.home_page,
            **_address(party),
            "creditlimit": party.credit_limit or None,
            "ownerid@odata.bind": owner,
        },
    )
    for person in party.persons:
        _make(environment, call, "contact", _contact(party, person, account, owner))
    if party.persons:
        primary = {"primarycontactid@odata.bind": f"/contacts({party.persons[0].id})"}
        update(environment, call, environment.catalog.tables["account"], account, primary, ignored=_NOTHING)
    return len(party.persons)


def _contact(party: Party, person: Person, account: str, owner: str) -> dict[str, Any]:
    return {
        "contactid": person.id,
        "firstname": person.given_name,
        "lastname": person.family_name,
        "jobtitle": person.job,
        "telephone1": person.phone,
        "mobilephone": person.mobile,
        "emailaddress1": person.mail,
        "gendercode": 2 if person.woman else 1,
        **_address(party),
        "parentcustomerid_account@odata.bind": f"/accounts({account})",
        "ownerid@odata.bind": owner,
    }


def _address(party: Party) -> dict[str, Any]:
    return {
        "address1_line1": party.street,
        "address1_line2": party.street_2,
        "address1_postalcode": party.post_code,
        "address1_city": party.city,
        "address1_stateorprovince": party.region,
        "address1_country": party.country,
    }


def _make(environment: Environment, call: Call, table: str, body: dict[str, Any]) -> str:
    return create(environment, call, environment.catalog.tables[table], body)


def _id(*names: str) -> str:
    return metadata_id("sample", *names)
