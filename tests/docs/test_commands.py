"""The commands in the pages are commands of the program, with options that it has."""

from __future__ import annotations

import re
import shlex

import pytest
from tests.docs.repository_files import ROOT, markdown_pages, snippets

from tocsin.cli.main import make_app

OPERATORS = {"|", "||", "&&", ";", ">", ">>", "<", "&"}


def shown_commands() -> list[tuple[str, tuple[str, ...]]]:
    """Page and arguments of each `tocsin ...` line in a shell snippet."""
    found = []
    for page in markdown_pages():
        for language, text in snippets(page):
            if language != "sh":
                continue
            for line in text.replace("\\\n", " ").splitlines():
                if not re.match(r"(\w+=\S+ +)*tocsin ", line):
                    continue
                words = shlex.split(line, comments=True)
                words = words[words.index("tocsin") + 1 :]
                end = next((at for at, word in enumerate(words) if word in OPERATORS), len(words))
                found.append((str(page.relative_to(ROOT)), tuple(words[:end])))
    return found


def named_commands() -> list[tuple[str, str]]:
    """Page and command of each `tocsin ...` in running text."""
    return sorted(
        {
            (str(page.relative_to(ROOT)), command)
            for page in markdown_pages()
            for command in re.findall(r"`tocsin ([a-z][a-z -]*)", page.read_text(encoding="utf-8"))
        }
    )


def test_there_are_commands_to_check() -> None:
    assert len(shown_commands()) > 10
    assert len(named_commands()) > 5


@pytest.mark.parametrize(("page", "words"), shown_commands())
def test_shown_commands_are_understood(page: str, words: tuple[str, ...]) -> None:
    make_app().parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.parametrize(("page", "command"), named_commands())
def test_named_commands_exist(page: str, command: str) -> None:
    chain, apps, unused = make_app().parse_commands(command.partition(" -")[0].split())
    assert chain
    has_commands = any(not name.startswith("-") for name in apps[-1])
    assert not (has_commands and unused)
