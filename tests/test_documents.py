"""Documents lead to what exists, and name what there is."""

import re

import pytest
from django.conf import settings

from project import env
from users import limits

DOCUMENTS = [*env.ROOT.glob("*.md"), *env.ROOT.glob("docs/**/*.md")]
DECISIONS = sorted((env.ROOT / "docs" / "decisions").iterdir())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document):
    links = re.findall(r"\]\(([^)]+)\)", document.read_text())
    ours = [link.partition("#") for link in links if not re.match(r"\w+:", link)]
    assert [path for path, _, _ in ours if not (document.parent / path).exists()] == []
    places = [((document.parent / path) if path else document, place) for path, _, place in ours if place]
    assert [place for target, place in places if place not in anchors(target.read_text())] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_name_of_a_link_has_its_address(document):
    text = document.read_text()
    assert set(re.findall(r"\]\[([\w-]+)\]", text)) == set(re.findall(r"(?m)^\[([\w-]+)\]: https://", text))


def anchors(text: str) -> set[str]:
    """Where links into a page may lead, as GitHub names its headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", text)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.name)
def test_a_decision_has_its_date_and_says_why(decision):
    assert re.match(r"20\d\d-\d\d-\d\d-[a-z0-9-]+\.md$", decision.name)
    assert re.match(r"# \w.+\n\n\d{1,2} \w+ 20\d\d\n", decision.read_text())
    assert "**Because**" in decision.read_text()


def test_make_help_and_the_documents_agree_on_the_commands():
    known = set(re.findall(r"(?m)^([a-z-]+):.* ## ", (env.ROOT / "Makefile").read_text()))
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:`|^)make ([a-z-]+)", document.read_text(), re.MULTILINE))
        assert named - known == set(), document.name


@pytest.mark.parametrize("document", sorted(env.ROOT.glob("docs/*.md")), ids=lambda path: path.name)
def test_a_command_of_a_guide_finds_the_requirements(document):
    """Only the README tells of a Python that has them; the server of docs/deploy.md has its own in one folder."""
    text = document.read_text()
    assert re.findall(r"(?m)^python3? manage\.py .*", text) == []
    assert set(re.findall(r"(/[\w/]+)/\.venv/bin/python", text)) <= {"/srv/zovi"}


def test_each_limit_says_whom_it_costs_what():
    text = (env.ROOT / "docs" / "operations.md").read_text().partition("## What each limit costs whom")[2]
    rows = re.findall(r"(?m)^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", text.partition("\n## ")[0])
    told = {name for row in rows for name in re.findall(r"`([A-Z_]+)", row[0])}
    kinds = (limits.SENDS, limits.LENGTHS, limits.TRIES, limits.FIXED, limits.INVITES, limits.VISITS, limits.SERVICES)
    there_are = {limit.setting for kind in (*kinds, limits.ADMINS) for limit in kind}
    assert told - there_are == {"SMS_GUARD", "OTP_TRIES", "OTP_TTL", "MAX_BODY_BYTES"}
    assert there_are <= told
    assert all(hasattr(settings, name) for name in told)
