"""Styles, scripts and the icon: read once, named by the hash of all of them, so that browsers may keep them for good."""

from __future__ import annotations

import gzip
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Final

from tocsin.model.noun import Noun

FOLDER: Final = Path(__file__).parent / "assets"
PREFIX: Final = "/ui/assets/"
STYLESHEET: Final = "tocsin.css"
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOR_GOOD: Final = b"public, max-age=31536000, immutable"
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)
_SPACE: Final = re.compile(r"\s+")
_AROUND: Final = re.compile(r" ?([{};,>]) ?")


class Asset(Noun, frozen=True, kw_only=True):
    """A file for browsers, as it is and compressed."""

    body: bytes
    compressed: bytes
    content_type: str


class Assets(Noun, frozen=True, kw_only=True):
    """All of them, by name."""

    digest: str
    by_name: dict[str, Asset]

    def url(self, name: str) -> str:
        """The address of an asset. KeyError for one that is not there."""
        assert name in self.by_name, name
        return f"{PREFIX}{self.digest}/{name}"

    def find(self, path: str) -> Asset | None:
        """The asset at an address, of this version only."""
        digest, _, name = path.removeprefix(PREFIX).partition("/")
        return self.by_name.get(name) if digest == self.digest else None


@cache
def assets() -> Assets:
    """The assets of this version: the joined stylesheet, and the modules and pictures as they are."""
    files = {STYLESHEET: stylesheet()}
    for folder in ("js", "img"):
        files |= {path.name: path.read_bytes() for path in sorted((FOLDER / folder).glob("*.*"))}
    digest = hashlib.sha256(b"".join(name.encode() + b"\0" + body + b"\0" for name, body in files.items()))
    return Assets(
        digest=digest.hexdigest()[:16],
        by_name={name: _asset(name, body) for name, body in files.items()},
    )


def stylesheet() -> bytes:
    """The sources in the order of their names, without comments and needless space."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted((FOLDER / "css").glob("*.css")))
    return _AROUND.sub(r"\1", _SPACE.sub(" ", _COMMENT.sub("", text))).replace(";}", "}").strip().encode()


def _asset(name: str, body: bytes) -> Asset:
    return Asset(body=body, compressed=gzip.compress(body, mtime=0), content_type=TYPES[Path(name).suffix])
