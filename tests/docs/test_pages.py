"""The pages: links lead somewhere, snippets are what they say they are, generated pages equal the code."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.repository_files import ROOT, anchors, markdown_pages, snippets, tracked_files

import tocsin.errors

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
PAGES = markdown_pages()
DOCS = [page for page in PAGES if page.is_relative_to(ROOT / "docs")]


def links_of(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Relative links of a page: as written, the file meant, the anchor."""
    prose = re.sub(r"^(```+).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for link in LINK.findall(prose):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        path, _, anchor = link.partition("#")
        yield link, (page.parent / path).resolve() if path else page, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_resolve(page: Path) -> None:
    tracked = tracked_files()
    folders = {parent for file in tracked for parent in file.parents}
    broken = [
        link
        for link, target, anchor in links_of(page)
        if (target not in tracked and target not in folders)
        or (anchor and target.suffix == ".md" and anchor not in anchors(target))
    ]
    assert broken == []


def test_every_page_of_the_docs_is_reachable_from_the_index() -> None:
    seen: set[Path] = set()
    ahead = [ROOT / "docs/index.md"]
    while ahead:
        page = ahead.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        ahead.extend(target for _, target, _ in links_of(page) if target in DOCS)
    assert sorted(str(page.relative_to(ROOT)) for page in set(DOCS) - seen) == []


def test_pages_have_one_title_and_it_comes_first() -> None:
    for page in PAGES:
        lines = page.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("# "), page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_snippets_are_well_formed(page: Path) -> None:
    for language, text in snippets(page):
        match language:
            case "python":
                compile(text, str(page), "exec", dont_inherit=True)
            case "json":
                json.loads(text)
            case "toml":
                tomllib.loads(text)
            case "sh" | "console" | "text" | "mermaid" | "ini" | "http" | "yaml":
                assert text.strip(), page
            case _:
                pytest.fail(f"{page.relative_to(ROOT)}: a snippet says {language!r}: name its language")


def test_generated_pages_equal_the_code() -> None:
    pages = runpy.run_path(str(ROOT / "docs/generate.py"))["PAGES"]
    assert pages
    for path, text in pages.items():
        assert path.read_text(encoding="utf-8") == text(), f"{path.name}: run python3 dev.py docs"


def all_problems(problem: type[tocsin.errors.TocsinError]) -> set[type[tocsin.errors.TocsinError]]:
    return {problem}.union(*(all_problems(below) for below in problem.__subclasses__()))


def test_every_problem_is_documented() -> None:
    text = (ROOT / "docs/reference/problems.md").read_text(encoding="utf-8")
    slugs = {problem.slug for problem in all_problems(tocsin.errors.TocsinError)}
    assert len(slugs) > 15
    assert sorted(slug for slug in slugs if f"`{slug}`" not in text and f"/problems/{slug}" not in text) == []


def test_every_decision_is_listed_and_has_the_four_parts() -> None:
    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    decisions = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    assert [int(page.name[:4]) for page in decisions] == list(range(1, len(decisions) + 1))
    for page in decisions:
        text = page.read_text(encoding="utf-8")
        assert f"({page.name})" in index
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Status", "Context", "Decision", "Consequences"], page


def test_readme_is_short_and_says_how_to_test_as_ci_does() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 150
    ci = [line for line in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines() if line.startswith("python3")]
    assert ci[-1].removesuffix(" </dev/null") == "python3 dev.py test"
    assert any(text.splitlines()[-1].startswith("python3 dev.py test") for _, text in snippets(ROOT / "README.md"))
