"""What a row is made of, in every store."""

from __future__ import annotations

from collections.abc import Mapping

SqlValue = None | int | float | bytes | str
Row = tuple[SqlValue, ...]
Values = Mapping[str, SqlValue]
