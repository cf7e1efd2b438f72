"""Labels as they come in bodies: `{"LocalizedLabels": [{"Label": ..., "LanguageCode": ...}]}`."""

from __future__ import annotations

from typing import Any

from twinrow.sandbox.dataverse.schema import BASE_LANGUAGE


def label_texts(label: Any) -> dict[int, str]:
    """The texts of a label by language; what is none has no texts."""
    entries = label.get("LocalizedLabels") if isinstance(label, dict) else None
    texts: dict[int, str] = {}
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("Label"), str):
            texts[int(entry.get("LanguageCode") or BASE_LANGUAGE)] = entry["Label"]
    return texts


def label_text(label: Any) -> str:
    """The text in the base language, else any, else nothing."""
    texts = label_texts(label)
    return texts.get(BASE_LANGUAGE) or next(iter(texts.values()), "")
