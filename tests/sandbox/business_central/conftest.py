from __future__ import annotations

import pytest
from tests.sandbox.business_central.site import Site, open_site


@pytest.fixture
def site() -> Site:
    """A new environment without business data."""
    return open_site()


@pytest.fixture
def furnished(site: Site) -> Site:
    """An environment with the codes that most rows refer to, and with some post codes."""
    for code, name in (("USD", "US dollar"), ("CHF", "Swiss franc")):
        site.post("currencies", {"code": code, "displayName": name})
    for code in ("14 DAYS", "30 DAYS"):
        site.post("paymentTerms", {"code": code, "displayName": f"Net {code.lower()}"})
    for code in ("CFR", "EXW"):
        site.post("shipmentMethods", {"code": code, "displayName": code})
    site.post("shippingAgents", {"code": "NORDPOST", "displayName": "Nordpost"}, sync=True)
    for code, name in (("BW", "Beatrix Wölfel"), ("HJ", "Hanne Jørgensen")):
        site.post("salespeoplePurchasers", {"code": code, "displayName": name})
    for code, city, county, country in (
        ("20095", "Hamburg", "", "DE"),
        ("8001", "Zürich", "ZH", "CH"),
        ("1010", "Wien", "", "AT"),
        ("1010", "Lausanne", "VD", "CH"),
    ):
        site.write("Post Code", {"Code": code, "City": city, "County": county, "Country/Region Code": country})
    return site
