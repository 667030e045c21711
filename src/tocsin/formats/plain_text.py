"""What producers wrote, made fit to stand in a text for people: no line ends, no control characters, bounded, never a link."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

ELLIPSIS: Final = "\u2026"
_WORD_JOINER: Final = "\u2060"
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls, what turns the direction of writing (so that a text could be read as another), and halves of characters."""
_LIVE: Final = re.compile(r"@|:(?=//)|\{(?=\{)")
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]*)\}")
_LINK: Final = re.compile(
    r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?#](?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?#]|%[0-9A-Fa-f]{2}|\{[a-z_]+\})*)?",
    re.ASCII,
)
_MAX_LINK: Final = 1500
LINKABLE: Final = ("type", "subject_type", "subject_id", "event_id", "tenant")
"""What a link may be made of."""


def line(text: str, limit: int) -> str:
    """One line of at most `limit` characters."""
    seen = _UNSEEN.sub("", " ".join(text[: limit * 4].split()))
    return cut(" ".join(seen.split()), limit)


def lines(text: str, limit: int, most: int) -> tuple[str, ...]:
    """At most `most` lines with `limit` characters in all; the last one says when there was more."""
    given = [one for one in (line(part, limit) for part in text[: limit * 4].splitlines()) if one]
    kept: list[str] = []
    for position, one in enumerate(given):
        if position == most or limit <= 0:
            kept[-1] = cut(f"{kept[-1]} {ELLIPSIS}", len(kept[-1]))
            break
        kept.append(cut(one, limit))
        limit -= len(one)
    return tuple(kept)


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, the last of which says when there were more."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + ELLIPSIS


def inert(text: str) -> str:
    """A text of which no program makes a mention, a link or a value by itself: word joiners, which nobody sees, stand inside
    whatever could be one."""
    return _LIVE.sub(rf"\g<0>{_WORD_JOINER}", text)


def duration(millis: int) -> str:
    """Its two largest units: `2 h 5 min`, `4.2 s`."""
    seconds = millis / 1000
    if seconds < 10:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    for unit, size, smaller, small in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            count, rest = divmod(whole, size)
            return f"{count} {unit} {rest // small} {smaller}" if rest // small else f"{count} {unit}"
    return f"{whole} s"


def check_link(template: str) -> None:
    """Raises ValueError when it is no address, or something other than path, query and fragment would come of an event."""
    if not _LINK.fullmatch(template):
        raise ValueError(
            "A link begins with https://, its host is given, and what follows is RFC 3986 and {names} for what an event says."
        )
    for name in _PLACEHOLDER.findall(template):
        if name not in LINKABLE:
            raise ValueError(f"A link knows {', '.join(f'{{{known}}}' for known in LINKABLE)}.")


def link_of(template: str | None, values: Mapping[str, str]) -> str | None:
    """The address of the page about an event; None where one of its values is empty, or would lead to another page."""
    if template is None:
        return None
    used = {name: values[name] for name in _PLACEHOLDER.findall(template)}
    if any(not value.strip(".") for value in used.values()):
        return None
    quoted = {name: quote(value, safe="", errors="replace") for name, value in used.items()}
    link = _PLACEHOLDER.sub(lambda found: quoted[found[1]], template)
    return link if len(link) <= _MAX_LINK else None
