"""The threat model: each line names tests, and they are there."""

from __future__ import annotations

import re

from tests.docs.repository_files import ROOT

PAGE = (ROOT / "docs/explanation/threat-model.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|") and not re.match(r"\|[-|]+$|\| (attack|asset) \|", line)
]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def test_each_line_names_its_tests() -> None:
    threats = [row for row in ROWS if len(row) == 3]
    assert len(threats) >= 30
    assert [row[0] for row in threats if not NAMED.search(row[2])] == []


def test_the_tests_named_are_there() -> None:
    missing = []
    for path, name in NAMED.findall(PAGE):
        file = ROOT / path
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        if not (re.search(rf"^(async )?def {name}\(", text, re.MULTILINE) if name else "def test_" in text):
            missing.append(f"{path}::{name}" if name else path)
    assert missing == []
