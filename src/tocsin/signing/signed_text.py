"""What a signature in a request was made over, read back from the request as it was kept: for whoever wants to check it by hand."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from tocsin.model.exchange import HeaderPairs

_INPUT: Final = re.compile(r'[a-z*][a-z0-9_.*-]*=(\((?P<names>[^)]*)\)(?:[^,"]|"(?:[^"\\]|\\.)*")*)')
_NAME: Final = re.compile(r'"([^"]+)"')


def signed_text(url: str, headers: HeaderPairs, body: bytes, body_header: str | None = None) -> bytes | None:
    """The signature base of a request, by the scheme whose headers it has; None when it has none that is known. `body_header` is the
    header of a signature over the body alone. RFC 9421: of the first signature (section 2.5), which is the newest key's."""
    values = {name.lower(): value for name, value in headers}
    if "webhook-signature" in values:
        return b"%b.%b.%b" % (values["webhook-id"].encode(), values["webhook-timestamp"].encode(), body)
    if "signature-input" in values:
        return _message_base(url, values)
    if body_header is not None and body_header.lower() in values:
        return body
    return None


def _message_base(url: str, values: dict[str, str]) -> bytes | None:
    found = _INPUT.match(values["signature-input"])
    if found is None:
        return None
    target = urlsplit(url)
    known = {
        **values,
        "@method": "POST",
        "@authority": values.get("host", target.netloc),
        "@path": target.path or "/",
        "@query": f"?{target.query}",
    }
    lines: list[str] = []
    for name in _NAME.findall(found["names"]):
        if name not in known:
            return None
        lines.append(f'"{name}": {known[name].strip()}\n')
    return (f'{"".join(lines)}"@signature-params": {found[1]}').encode("latin-1", "replace")
