"""Statements with optional lines: such a line ends in `--? word`, where the word must be given; `!word` after it must not be."""

from __future__ import annotations


def with_lines(text: str, given: frozenset[str]) -> str:
    """The text without its optional lines that are not asked for."""
    kept = [line for line in text.splitlines() if _is_wanted(line, given)]
    return "\n".join(line.partition("--?")[0].rstrip() for line in kept)


def _is_wanted(line: str, given: frozenset[str]) -> bool:
    words = line.partition("--?")[2].split()
    return all(word[1:] not in given if word.startswith("!") else word in given for word in words)
