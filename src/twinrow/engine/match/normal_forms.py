"""Normal forms: a value without what people write in different ways and mean alike.

Which differences do not count depends on the kind of field (`model.mapping.Compare`): accents, case and punctuation nowhere, the
legal form of a company, common abbreviations of addresses, all but the last digits of a phone number. A value of which nothing
is left says nothing: it is null.
"""

from __future__ import annotations

import polars as pl
from anyascii import anyascii

from twinrow.model.mapping import Compare

PHONE_DIGITS = 9
"""So many digits from the end tell phone numbers apart; before them stand country codes and trunk prefixes."""

_LEGAL_FORMS = (
    "ab|ag|aktiengesellschaft|aps|as|asa|bhd|bv|bvba|co|company|corp|corporation|cv|doo|dba|eg|ek|ev|ehf|gbr|ges|gesellschaft|"
    "gmbh|gmbh co kg|group|holding|hf|inc|incorporated|kft|kg|kgaa|kk|kommanditgesellschaft|lda|limited|llc|llp|lp|ltd|ltda|"
    "mbh|nv|ohg|oy|oyj|plc|pte|pty|pvt|rt|sa|sae|sarl|sas|sca|se|sl|slu|snc|spa|spol|sro|srl|ug|und|vof|zoo|zrt"
)
"""Legal forms as they stand at the end of a company's name, without points and accents."""

_ADDRESS_WORDS = {
    "street": "st",
    "strasse": "str",
    "road": "rd",
    "avenue": "ave",
    "av": "ave",
    "boulevard": "blvd",
    "drive": "dr",
    "lane": "ln",
    "place": "pl",
    "square": "sq",
    "court": "ct",
    "crescent": "cres",
    "highway": "hwy",
    "parkway": "pkwy",
    "terrace": "tce",
    "suite": "ste",
    "apartment": "apt",
    "building": "bldg",
    "floor": "fl",
    "north": "n",
    "south": "s",
    "east": "e",
    "west": "w",
    "saint": "st",
    "platz": "pl",
    "number": "no",
}
"""Words of addresses and what they are commonly written for short."""


def normal_form(values: pl.Series, kind: Compare) -> pl.Series:
    """Return the normal forms of texts. Dates are given as `YYYY-MM-DD` or as any text with eight digits."""
    text = _folded(values).alias("text")
    return text.to_frame().select(_blank_to_null(_form(pl.col("text"), kind)).alias(values.name)).to_series()


def _folded(values: pl.Series) -> pl.Series:
    """Return texts in small Latin letters; other scripts are written as they are spoken."""
    foreign = values.filter(values.str.contains(r"[^\x00-\x7F]").fill_null(False)).unique()
    if foreign.len():
        known = pl.Series([anyascii(value) for value in foreign], dtype=pl.String)
        values = values.replace(foreign, known)
    return values.str.to_lowercase()


def _form(text: pl.Expr, kind: Compare) -> pl.Expr:
    match kind:
        case Compare.PHONE:
            main = text.str.replace(r"\s*(ext|extension|durchwahl|x)\W*\d+\s*$", "")
            return main.str.replace_all(r"\D", "").str.strip_chars_start("0").str.tail(PHONE_DIGITS)
        case Compare.EMAIL:
            address = text.str.strip_chars().str.replace(r"^mailto:", "").str.replace_all(r"\s", "")
            return pl.when(address.str.contains("@", literal=True)).then(address)
        case Compare.NUMBER:
            return text.str.replace_all(r"[^a-z0-9]", "").str.strip_chars_start("0")
        case Compare.DATE:
            return text.str.replace_all(r"\D", "").str.head(8)
        case Compare.COMPANY:
            words = _words(text.str.replace_all("&", " and ", literal=True))
            short = words.str.replace_all(rf"( ({_LEGAL_FORMS}|and))+$", "").str.replace(r"^the ", "")
            return pl.when(short != "").then(short).otherwise(words)
        case Compare.ADDRESS:
            words = _words(text.str.replace_all(r"str\.", "strasse "))
            spelled = words.str.replace_all(r"(\pL{3,})(strasse)\b", "$1 str")
            named = pl.concat_str([pl.lit(" "), spelled.str.replace_all(" ", "  ", literal=True), pl.lit(" ")])
            for long, brief in _ADDRESS_WORDS.items():
                named = named.str.replace_all(f" {long} ", f" {brief} ", literal=True)
            return named.str.replace_all(r"\s+", " ").str.strip_chars()
        case _:
            return _words(text)


def _words(text: pl.Expr) -> pl.Expr:
    """Return words with one space between: a point or an apostrophe joins, any other mark divides."""
    joined = text.str.replace_all(r"['`.]", "")
    return joined.str.replace_all(r"[^a-z0-9]+", " ").str.strip_chars()


def _blank_to_null(text: pl.Expr) -> pl.Expr:
    return pl.when(text != "").then(text)
