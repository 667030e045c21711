"""What is in the repository, and what is in a page."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = {".git", ".venv", ".cache", "__pycache__", "dist"}


@cache
def tracked_files() -> frozenset[Path]:
    """Files of the repository; in an unpacked archive, everything that is not made by tools."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    if listed.returncode == 0:
        return frozenset(path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file())
    return frozenset(p for p in ROOT.rglob("*") if p.is_file() and not LEFT_OUT & set(p.relative_to(ROOT).parts))


def markdown_pages() -> list[Path]:
    """Every page, in the order of their names."""
    return sorted(path for path in tracked_files() if path.suffix == ".md")


@cache
def anchors(page: Path) -> frozenset[str]:
    """What a link into a page may name: its headings, spelled as forges do."""
    headings = re.findall(r"^#{1,6} +(.+?) *$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def snippets(page: Path) -> list[tuple[str, str]]:
    """Fenced blocks of a page: language and text, with the indentation of the fence taken off."""
    found = re.findall(r"^( *)(```+)([^\n]*)\n(.*?)^\1\2$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [
        (language.strip(), re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)) for indent, _, language, text in found
    ]
