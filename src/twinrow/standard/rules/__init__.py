"""The rules that special tables of the standard mappings need, by name.

A mapping names its rules; what a rule can do stands in `batch.hooks`. There is no rule for number series: numbers are left to
Business Central by not sending any.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from twinrow.batch.hooks import Rule
from twinrow.standard.rules.contacts import ContactCompany, ContactName
from twinrow.standard.rules.currencies import CurrencyByIsoCode, CurrencyPrecision, CurrencySymbol, ExchangeRate
from twinrow.standard.rules.options import OptionByLabel
from twinrow.standard.rules.ownership import BlockedWhenInactive, Company, LocalCurrency, Owner
from twinrow.standard.rules.salespeople import SalespersonCode

_ALL: tuple[Rule, ...] = (
    BlockedWhenInactive(),
    Company(),
    ContactCompany(),
    ContactName(),
    CurrencyByIsoCode(),
    CurrencyPrecision(),
    CurrencySymbol(),
    ExchangeRate(),
    LocalCurrency(),
    OptionByLabel(),
    Owner(),
    SalespersonCode(),
)

RULES: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in _ALL})
"""All rules by name."""
