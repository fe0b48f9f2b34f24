"""The Russian README says the same: the same commands, answers and tables, in the same order."""

import re

import pytest

from project import env

ENGLISH, RUSSIAN = ((env.ROOT / name).read_text() for name in ("README.md", "README.ru.md"))
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


def blocks(text: str) -> list[tuple[str, str]]:
    """Language and contents of every code block; what a comment says may differ."""
    return [(language, re.sub(r"(?m)(^|\s+)(#|//) .*$", "", code)) for language, code in BLOCK.findall(text)]


def tables(text: str) -> list[list[list[str]]]:
    """Of every table, each row's words in code style and its numbers, which no language changes."""
    prose = BLOCK.sub("", text)
    rows = [line if line.startswith("|") else None for line in prose.splitlines()]
    found: list[list[list[str]]] = [[]]
    for row in rows:
        if row:
            found[-1].append(re.findall(r"`[^`]+`|(?<![\w`])\d+(?![\w`])", row))
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


def headings(text: str) -> list[str]:
    return re.findall(r"(?m)^(#+) ", BLOCK.sub("", text))


def links(text: str) -> list[str]:
    return sorted(re.findall(r"\]\(([^)]+)\)", BLOCK.sub("", text)))


@pytest.mark.parametrize("what", [blocks, tables, headings], ids=lambda what: what.__name__)
def test_both_readmes_hold_the_same(what):
    english, russian = what(ENGLISH), what(RUSSIAN)
    assert len(english) >= 3
    for ours, theirs in zip(english, russian, strict=False):
        assert theirs == ours
    assert len(english) == len(russian)


def test_both_lead_to_the_same_places():
    assert set(links(ENGLISH)) - {"README.ru.md"} == set(links(RUSSIAN)) - {"README.md"}


def test_the_russian_one_is_in_russian():
    paragraphs = [part for part in BLOCK.sub("", RUSSIAN).split("\n\n") if len(part) > 80 and not part.startswith("|")]
    assert len(paragraphs) > 10
    assert [part for part in paragraphs if not CYRILLIC.search(part)] == []
