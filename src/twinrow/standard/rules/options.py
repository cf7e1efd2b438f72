"""Options of a choice as the counterparts of code records (semantics 7)."""

from __future__ import annotations

from twinrow.batch.hooks import HookContext, Rule
from twinrow.model.sides import Pass


class OptionByLabel(Rule):
    """A code that is not coupled is looked for among the captions of the options before an option is made."""

    name = "option_by_label"

    def natural(self, context: HookContext) -> tuple[str, str] | None:
        """Compare the code with the caption."""
        return ("code", "label") if context.pass_ is Pass.TO else ("label", "code")
