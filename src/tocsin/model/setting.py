"""What all settings of an endpoint share."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

HeaderName = Annotated[str, Meta(min_length=1, max_length=256)]
HeaderText = Annotated[str, Meta(max_length=8192)]
JqProgram = Annotated[str, Meta(min_length=1, max_length=8192)]
Title = Annotated[str, Meta(min_length=1, max_length=80)]
LinkTemplate = Annotated[str, Meta(min_length=1, max_length=1024)]
UrlText = Annotated[str, Meta(min_length=1, max_length=2048)]


class Setting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all settings: an unknown field is refused."""
