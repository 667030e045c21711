"""What doctor says: something that is wrong, or worth knowing, with its reason and what to do."""

from __future__ import annotations

from typing import Literal

from tocsin.model.noun import Noun

Severity = Literal["error", "warning", "note"]


class Finding(Noun, frozen=True, kw_only=True):
    """`error`: something does not work, or will be lost. `warning`: it works, and somebody should look. `note`: worth knowing.
    `code` names the kind of finding for programs; `about` is an id or a setting, null for the whole server."""

    severity: Severity
    code: str
    about: str | None = None
    what: str
    why: str
    remedy: str
