"""The sample company that both servers are filled from."""

from __future__ import annotations

from twinrow.sandbox.sample import sample_company


def test_the_same_seed_gives_the_same_company_at_any_size() -> None:
    small, large = sample_company(20, 3), sample_company(400, 3)
    assert list(small.customers()) == list(large.customers())[:20]
    assert list(small.vendors()) == list(large.vendors())[:4]
    assert list(small.crm_parties()) == list(large.crm_parties())[:1]
    assert list(sample_company(20, 4).customers()) != list(small.customers())


def test_partners_are_plausible() -> None:
    company = sample_company(600, 1)
    partners = [*company.customers(), *company.vendors(), *company.crm_parties()]
    places = {(country.code, *place) for country in company.countries for place in country.places}
    codes = company.lists
    known = {"salesperson": {p.code for p in codes.salespeople} | {""}, "currency": {c.code for c in codes.currencies}}
    for partner in partners:
        assert (partner.country, partner.post_code, partner.city, partner.region) in places
        assert partner.salesperson in known["salesperson"]
        assert partner.currency in known["currency"] | {""}
        assert partner.currency != company.local_currency
        assert len(partner.name) <= 100
        assert partner.mail.endswith(".example")
        assert partner.mail.isascii()
        assert all(person.mail.rpartition("@")[2] == partner.mail.rpartition("@")[2] for person in partner.persons)
    keys = [partner.id for partner in partners] + [person.id for partner in partners for person in partner.persons]
    assert len(keys) == len(set(keys))
    assert len({partner.country for partner in partners}) == len(company.countries)
    assert any(not partner.name.isascii() for partner in partners)
    assert {partner.blocked for partner in partners} == {True, False}
    assert {partner.kind for partner in company.crm_parties()} == {"customer", "vendor"}


def test_each_salesperson_is_a_user_with_the_same_mail_address() -> None:
    company = sample_company(1, 1)
    users = {user.salesperson: user for user in company.users() if user.salesperson}
    assert users.keys() == {person.code for person in company.lists.salespeople}
    assert all(users[p.code].mail == company.mail_of(p) for p in company.lists.salespeople)
    assert [user.disabled for user in company.users()].count(True) == 1
    assert any(not user.salesperson and not user.disabled for user in company.users())
