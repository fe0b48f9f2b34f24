"""Every text is in the Russian catalogue, and the compiled catalogue is the one that was written."""

import ast
import re
from pathlib import Path

import polib
import pytest
from django.utils.translation.template import templatize

from project.env import ROOT

CATALOGUE = ROOT / "users" / "locale" / "ru" / "LC_MESSAGES" / "django.po"
MARKS = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy", "pgettext", "npgettext"}
ROOMS = ("project", "users", "schema")


def sources(suffix: str) -> list[Path]:
    found = [path for room in ROOMS for path in (ROOT / room).rglob(f"*{suffix}")]
    return [path for path in found if "tests" not in path.parts]


def texts_of(source: str) -> set[str]:
    """The first argument of every call that marks a text."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return {
        call.args[0].value
        for call in calls
        if getattr(call.func, "id", "") in MARKS and call.args and isinstance(call.args[0], ast.Constant)
    }


def texts_of_template(source: str) -> set[str]:
    """Django writes a template as what xgettext can read: each marked text is a call on a line of its own."""
    calls = re.findall(r"\b(n?gettext|_)\((u?'(?:[^'\\]|\\.)*'|u?\"(?:[^\"\\]|\\.)*\")", templatize(source))
    return {ast.literal_eval(text) for _mark, text in calls}


def test_every_text_is_translated_and_none_is_left_over():
    wanted = {text for path in sources(".py") for text in texts_of(path.read_text())}
    wanted |= {text for path in sources(".html") for text in texts_of_template(path.read_text())}
    assert len(wanted) > 100
    catalogue = polib.pofile(str(CATALOGUE))
    assert {entry.msgid for entry in catalogue} == wanted
    assert [entry.msgid for entry in catalogue if not entry.translated()] == []
    assert catalogue.fuzzy_entries() == catalogue.obsolete_entries() == []


def test_a_translation_keeps_the_places_of_its_text():
    for entry in polib.pofile(str(CATALOGUE)):
        for text in [entry.msgstr] if entry.msgstr else entry.msgstr_plural.values():
            for place in (r"%\(\w+\)[sd]", r"</?\w+[^>]*>"):
                assert sorted(re.findall(place, text)) == sorted(re.findall(place, entry.msgid)), entry.msgid


# What nobody would say in Russian, two words for one thing, and numbers as English writes them.
BAD_RUSSIAN = r"внутри|двер|комнат|терпит|инвайт|учётн|впустую|сторож|\d,\d{3}\b"


def test_russian_is_written_as_it_is_spoken():
    texts = [text for entry in polib.pofile(str(CATALOGUE)) for text in (entry.msgstr, *entry.msgstr_plural.values())]
    texts += (ROOT / "README.ru.md").read_text().splitlines()
    assert [text for text in texts if re.search(BAD_RUSSIAN, text, re.IGNORECASE)] == []


def test_the_compiled_catalogue_is_the_written_one():
    written = {entry.msgid: (entry.msgstr, entry.msgstr_plural) for entry in polib.pofile(str(CATALOGUE))}
    compiled = polib.mofile(str(CATALOGUE.with_suffix(".mo")))
    assert {entry.msgid: (entry.msgstr, entry.msgstr_plural) for entry in compiled} == written


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("_('one'); gettext_lazy('two'); other('three')", {"one", "two"}),
        ("ngettext('%d day', '%d days', n)", {"%d day"}),
    ],
)
def test_marked_texts_are_found(source, texts):
    assert texts_of(source) == texts


def test_marked_texts_of_templates_are_found():
    template = """{% load i18n %}{% translate "it's one" %}{{ day|date:_("j M") }}{% blocktranslate trimmed %}
      two {{ three }}
    {% endblocktranslate %}{% blocktranslate count n=n %}a{% plural %}b{% endblocktranslate %}"""
    assert texts_of_template(template) == {"it's one", "j M", "two %(three)s", "a"}
