"""The repository itself: nothing of one machine in it, the lock fits pyproject.toml, names use the words of the glossary."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from tests.docs.repository_files import ROOT, tracked_files

# Spelled with classes, so that this file does not match itself.
OF_ONE_MACHINE = re.compile(
    r"/roo[t]/|/hom[e]/\w|/User[s]/\w|/wor[k]/|/tm[p]/(?:v|boot)\b|/opt/whee[l]s|pypi[.]or[g]|pythonhosted[.]or[g]"
    r"|^--(?:extra-)?index-ur[l]|^--find-link[s]",
    re.MULTILINE,
)
NAMES_OF_OTHERS = {"handle_exit"}  # overrides what uvicorn.Server calls so
SOURCES = sorted(path for path in (ROOT / "src").rglob("*.py"))


def test_nothing_of_one_machine_is_in_the_repository() -> None:
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in OF_ONE_MACHINE.finditer(text)]
    assert sorted(found) == []


def pins(size: str) -> dict[str, Version]:
    text = (ROOT / f"requirements/{size}.txt").read_text(encoding="utf-8")
    return {name: Version(version) for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE)}


def test_the_lock_fits_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    build: list[str] = project["build-system"]["requires"]
    base: list[str] = [*project["project"]["dependencies"], *build]
    extras: dict[str, list[str]] = project["project"]["optional-dependencies"]
    everything = [*base, *(requirement for extra in extras.values() for requirement in extra)]
    for size, wanted in (("base", base), ("dev", everything)):
        locked = pins(size)
        for requirement in map(Requirement, wanted):
            name = re.sub(r"[-_.]+", "-", requirement.name).lower()
            assert name in locked, f"{size}: {name} is missing: run python3 dev.py lock"
            assert locked[name] in requirement.specifier, f"{size}: {name}: run python3 dev.py lock"


def test_the_base_lock_is_a_part_of_the_dev_lock() -> None:
    dev = pins("dev")
    assert {name: dev.get(name) for name in pins("base")} == pins("base")


@pytest.mark.parametrize("size", ["base", "dev"])
def test_every_pin_has_hashes(size: str) -> None:
    text = (ROOT / f"requirements/{size}.txt").read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(pins(size)) > 20
    assert [block.split("==")[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_dev_py_says_what_it_can_do() -> None:
    shown = subprocess.run(
        [sys.executable, ROOT / "dev.py", "--help"], capture_output=True, check=True, text=True, timeout=60
    )
    commands = re.findall(r"^  (\w+) +[A-Z]", shown.stdout, re.MULTILINE)
    assert commands == ["demo", "example", "test", "lint", "check", "bench", "micro", "pages", "docs", "lock"]
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [name for name in commands if f"dev.py {name}" not in contributing] == []


def words_not_used() -> frozenset[str]:
    """The list in GLOSSARY.md under "Not in names"; one that ends in an underscore is refused as a first word only."""
    section = (ROOT / "GLOSSARY.md").read_text(encoding="utf-8").partition("## Not in names")[2].partition("\n## ")[0]
    return frozenset(re.findall(r"`([a-z]+_?)`", section))


def names_defined(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    module = path.stem if path.stem != "__init__" else path.parent.name
    return [module, *(node.name for node in ast.walk(tree) if isinstance(node, kinds))]


def words_of(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def test_words_of_a_name() -> None:
    assert words_of("_handleHTTPRequest_now2") == ["handle", "http", "request", "now"]


def test_names_use_the_words_of_the_glossary() -> None:
    refused = words_not_used()
    assert {"manager", "utils", "handle_", "process_"} <= refused
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in SOURCES
        for name in set(names_defined(path)) - NAMES_OF_OTHERS
        if refused & {*words_of(name), f"{words_of(name)[0]}_"}
    ]
    assert sorted(found) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_modules_say_what_lives_there_and_stay_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), path
    assert len(text.splitlines()) <= 350, path
