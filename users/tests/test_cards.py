"""What a messenger shows of an invite link, and what its visit leaves behind: nothing."""

import io
import re

import pytest
import zxingcpp
from django.apps import apps
from django.test import Client
from PIL import Image

from tests.support import brands
from users import brand, errors
from users.pages import cards

BOTS = [
    "TelegramBot (like TwitterBot)",
    "WhatsApp/2.23.20.0 A",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Twitterbot/1.0",
    "",
]


@pytest.fixture(autouse=True)
def _drawn_anew():
    cards.png.cache_clear()
    cards._blank.cache_clear()
    yield
    cards.png.cache_clear()
    cards._blank.cache_clear()


def rows() -> dict[str, int]:
    return {model._meta.db_table: model._default_manager.count() for model in apps.get_models()}


def previews_of(html: str) -> dict[str, str]:
    return dict(re.findall(r'<meta (?:property|name)="((?:og|twitter):[\w:]+)" content="([^"]*)">', html))


def picture_of(answer) -> Image.Image:
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


def test_an_invite_link_has_a_card(bob):
    address = f"/i/{bob.invite_code}/"
    link = f"http://testserver{address}"
    assert previews_of(Client().get(address).content.decode()) == {
        "og:type": "website",
        "og:site_name": "Zovi",
        "og:title": "You are invited to Zovi",
        "og:description": "Sign in with your phone number and the invitation is yours.",
        "og:url": link,
        "og:image": f"{link}card.png",
        "og:image:type": "image/png",
        "og:image:width": "1200",
        "og:image:height": "630",
        "og:image:alt": f"A ticket to Zovi with the invite code {bob.invite_code}",
        "twitter:card": "summary_large_image",
    }


def test_a_card_leads_to_the_site_whichever_host_was_asked(bob, settings):
    settings.SITE_NAME, settings.SITE_URL = "Книги & Ко", "https://books.example"
    answer = Client().get(f"/i/{bob.invite_code}/", headers={"Accept-Language": "ru"})
    previews = previews_of(answer.content.decode())
    assert previews["og:title"] == "Книги &amp; Ко: вас приглашают"
    assert previews["og:url"] == f"https://books.example/i/{bob.invite_code}/"
    assert previews["og:image"] == f"https://books.example/i/{bob.invite_code}/card.png"


def test_the_picture_is_drawn_for_the_code(bob, settings):
    settings.SITE_URL = "https://books.example"
    answer = Client().get(f"/i/{bob.invite_code}/card.png")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert answer["Cache-Control"] == "public, max-age=86400"
    picture = picture_of(answer)
    assert picture.size == (1200, 630)
    assert [code.text for code in zxingcpp.read_barcodes(picture)] == [f"https://books.example/i/{bob.invite_code}/"]
    assert picture.getpixel((0, 0)) == (0xF2, 0xF4, 0xEE)
    assert picture.getpixel((100, 300)) == (0xFF, 0xD2, 0x3F)
    assert len(answer.content) < 40_000


def test_every_letter_of_a_code_is_on_it(bob):
    drawn = {code: cards.png(code, "https://books.example/") for code in ("AAAAAA", "AAAAAB", "BAAAAA")}
    assert len(set(drawn.values())) == 3
    letters = picture_of(Client().get(f"/i/{bob.invite_code}/card.png")).crop((130, 290, 720, 440))
    assert (0x10, 0x23, 0x1C) in {colour for _, colour in letters.getcolors(100_000)}


def test_a_brand_is_on_it(bob, settings, tmp_path):
    settings.BRAND = brand.read(brands.write(tmp_path))
    picture = picture_of(Client().get(f"/i/{bob.invite_code}/card.png"))
    assert picture.getpixel((0, 0)) == (0xF3, 0xF0, 0xFF)
    assert picture.getpixel((100, 300)) == (0xB8, 0xF2, 0xD8)
    assert picture.getpixel((150, 228)) == (0x5B, 0x3D, 0xF5)  # the icon


def test_a_colour_that_cannot_be_drawn_is_ours(settings):
    settings.BRAND = brand.Brand(colours=brand.Colours(light={"page": "oklch(0.7 0.1 200)", "ticket": "#fff"}))
    assert cards._colour("page") == (0xF2, 0xF4, 0xEE)
    assert cards._colour("ticket") == (255, 255, 255)


@pytest.mark.parametrize("name", ["Zovi", "Ё" * 40, "W" * 40, "本屋", "本屋 Books"])
def test_any_name_can_be_drawn(settings, name):
    settings.SITE_NAME = name
    assert Image.open(io.BytesIO(cards.png("ABC234", "https://books.example/i/ABC234/"))).size == (1200, 630)


def test_a_name_our_font_lacks_letters_for_is_left_out(settings):
    drawn = {}
    for name in ("本", "本屋", "Zovi"):
        settings.SITE_NAME = name
        cards._blank.cache_clear()
        drawn[name] = cards._blank()[0].tobytes()
    assert drawn["本"] == drawn["本屋"] != drawn["Zovi"]


def test_a_picture_that_is_known_is_not_sent_again(bob):
    address = f"/i/{bob.invite_code}/card.png"
    etag = Client().get(address)["ETag"]
    again = Client().get(address, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert cards.png.cache_info()[:2] == (1, 1)  # drawn once


def test_a_crowd_of_codes_fills_no_memory(monkeypatch):
    assert cards.png.cache_info().maxsize == cards.KEPT == 256


@pytest.mark.parametrize("code", ["ZZZZZZ", "22222", "<script>", "ABC%00DE"])
def test_nothing_is_drawn_for_a_code_nobody_has(db, code):
    answer = Client().get(f"/i/{code}/card.png")
    assert answer.status_code == 404
    assert str(errors.InviteNotFound.detail) in answer.content.decode()
    assert cards.png.cache_info().misses == 0


def test_nothing_is_drawn_for_somebody_who_is_shut_out(bob):
    bob.is_active = False
    bob.save()
    assert Client().get(f"/i/{bob.invite_code}/card.png").status_code == 404


@pytest.mark.parametrize("agent", BOTS)
def test_a_preview_leaves_no_trace(bob, agent):
    before = rows()
    for method in ("head", "get"):
        for address in (f"/i/{bob.invite_code}/", f"/i/{bob.invite_code}/card.png"):
            ask = getattr(Client(), method)
            assert ask(address, headers={"User-Agent": agent}).status_code == 200
    assert rows() == before


def test_a_picture_sets_no_cookie(bob):
    answer = Client().get(f"/i/{bob.invite_code}/card.png")
    assert answer.cookies == {}
    assert answer["X-Content-Type-Options"] == "nosniff"
