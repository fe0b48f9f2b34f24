"""Somebody else's name, address and looks, from settings alone."""

import io
import re

import pytest
from django.contrib import admin
from django.test import Client
from PIL import Image

from project import docs
from tests.support.brands import ICON, LOGO, THEME
from users import brand

POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def picture(size=(64, 64), kind="PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "navy").save(file, kind)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / brand.LOGO).write_text(LOGO)
    (tmp_path / brand.ICON).write_bytes(ICON)
    (tmp_path / brand.THEME).write_text(THEME)
    return tmp_path


@pytest.fixture
def branded(settings, folder):
    settings.SITE_NAME = "Кофейня & Ко"
    settings.BRAND = brand.read(folder)
    return settings.BRAND.files


# --- What may be in the folder --------------------------------------------------------------------------------------


def test_a_folder_is_read_whole(folder):
    (folder / "notes.txt").write_text("of no concern")
    assert {name: file.content for name, file in brand.read(folder).files.items()} == {
        "logo.svg": LOGO.encode(),
        "icon.png": ICON,
        "theme.css": THEME.encode(),
    }


@pytest.mark.parametrize("kept", [brand.LOGO, brand.ICON, brand.THEME])
def test_any_of_the_three_is_enough(folder, kept):
    for name in {brand.LOGO, brand.ICON, brand.THEME} - {kept}:
        (folder / name).unlink()
    assert list(brand.read(folder).files) == [kept]


SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("logo.svg", "", "logo.svg is no SVG"),
        ("logo.svg", "<html><body/></html>", "logo.svg is no SVG"),
        ("logo.svg", "<svg><path d='M0 0'/></svg>", "logo.svg is no SVG"),
        ("logo.svg", SVG.format("<path>"), "logo.svg is no SVG"),
        ("logo.svg", picture(), "logo.svg is no SVG"),
        ("logo.svg", SVG.format("<script>1</script>"), "logo.svg holds a script"),
        ("logo.svg", SVG.format("<g><SCRIPT/></g>"), "logo.svg holds a script"),
        ("logo.svg", SVG.format("<foreignObject/>"), "logo.svg holds a script or a foreign page"),
        ("logo.svg", SVG.format('<g onload="alert(1)"/>'), "logo.svg holds a script"),
        ("logo.svg", SVG.format('<a href="javascript:alert(1)"/>'), "logo.svg fetches something"),
        ("logo.svg", SVG.format('<use xlink:href="https://evil.example/a.svg#a"/>'), "logo.svg fetches something"),
        ("logo.svg", SVG.format('<image href="data:image/png;base64,AA"/>'), "logo.svg fetches something"),
        ("logo.svg", SVG.format('<g fill="url(https://evil.example/#a)"/>'), "logo.svg fetches something"),
        ("logo.svg", SVG.format("<style>@import 'x.css'</style>"), "logo.svg fetches something"),
        ("logo.svg", SVG.format("<style>g{fill:u<!-- -->rl('//evil.example')}</style>"), "logo.svg fetches something"),
        ("logo.svg", "<!DOCTYPE svg [<!ENTITY a 'aa'>]>" + SVG.format("&a;"), "logo.svg has a DOCTYPE"),
        ("logo.svg", "<?xml-stylesheet href='x'?>" + SVG.format(""), "logo.svg has a DOCTYPE or a processing"),
        ("logo.svg", SVG.format(" " * 65536), "logo.svg is larger than 64 KiB"),
        ("icon.png", b"", "icon.png is no PNG"),
        ("icon.png", picture(kind="JPEG"), "icon.png is no PNG"),
        ("icon.png", picture()[:100], "icon.png is no PNG"),
        ("icon.png", SVG.format(""), "icon.png is no PNG"),
        ("icon.png", picture((1025, 8)), "icon.png is larger than 1024 pixels a side"),
        ("icon.png", ICON + b"\0" * 262144, "icon.png is larger than 256 KiB"),
        ("theme.css", "", "theme.css is no style sheet"),
        ("theme.css", "<style>:root { --page: #fff; }</style>", "theme.css is no style sheet"),
        ("theme.css", ":root { --page: #fff; ", "theme.css is no style sheet"),
        ("theme.css", "/* :root { --page: #fff; } */", "theme.css is no style sheet"),
        ("theme.css", picture(), "theme.css is not in UTF-8"),
        ("theme.css", '@import "//evil.example/a.css"; :root { --page: #fff; }', "theme.css fetches something"),
        ("theme.css", ":root { --page: URL( //evil.example/a.png); }", "theme.css fetches something"),
        ("theme.css", ":root { --page: image-set('//evil.example/a' 1x); }", "theme.css fetches something"),
        ("theme.css", ":root { --page: u\\72l(//evil.example/a.png); }", "theme.css fetches something"),
        ("theme.css", f":root {{ --page: #fff; }}{' ' * 32768}", "theme.css is larger than 32 KiB"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_file_that_is_not_what_its_name_says_is_refused(folder, name, content, words):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=re.escape(words)):
        brand.read(folder)


def test_a_folder_that_is_none_or_empty_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no such folder"):
        brand.read(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"holds none of logo\.svg, icon\.png, theme\.css"):
        brand.read(tmp_path)


def test_a_folder_in_the_place_of_a_file_is_refused(folder):
    (folder / brand.ICON).unlink()
    (folder / brand.ICON).mkdir()
    with pytest.raises(ValueError, match=r"icon\.png cannot be read: Is a directory"):
        brand.read(folder)


def test_colours_are_told_apart_by_scheme():
    sheet = """/* :root { --page: red } */ :root { --page: #fff; --ink:#000 }
        @media (prefers-color-scheme: dark) { :root { --page: #111; } } .mark { --page: blue; }"""
    assert brand.colours(sheet) == brand.Colours(
        light={"page": "#fff", "ink": "#000"}, dark={"page": "#111", "ink": "#000"}
    )


# --- Where it is seen ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["/", "/send-code/", "/nothing/", "/admin/login/", "/api/docs/swagger/", "/redoc/", "/graphql/"]
)
def test_every_page_goes_by_the_other_name_and_looks(db, branded, monkeypatch, address):
    monkeypatch.setattr(admin.site, "site_title", "Кофейня & Ко")  # read once, at the start
    html = Client().get(address, headers={"Accept": "text/html"}).content.decode()
    assert "Кофейня &amp; Ко" in re.search(r"<title>(.*?)</title>", html, re.DOTALL)[1]
    assert "Zovi" not in html
    assert f'<link rel="icon" href="/brand/{branded["logo.svg"].version}/logo.svg">' in html
    if address != "/graphql/":  # it brings its own looks
        assert f'<link rel="stylesheet" href="/brand/{branded["theme.css"].version}/theme.css">' in html
    assert "users/icon" not in html


def test_a_name_in_any_letters_makes_a_header(db, monkeypatch):
    monkeypatch.setattr(docs.spectacular_settings, "TITLE", 'Кофейня "У Маши"')
    header = Client().get("/api/schema/")["Content-Disposition"]
    escaped = "%D0%9A%D0%BE%D1%84%D0%B5%D0%B9%D0%BD%D1%8F%20%22%D0%A3%20%D0%9C%D0%B0%D1%88%D0%B8%22.yaml"
    assert header == f"inline; filename*=utf-8''{escaped}"


def test_a_page_takes_its_first_colour_from_the_theme(db, branded):
    html = Client().get("/").content.decode()
    assert re.findall(r'name="theme-color" content="(.*?)"', html) == ["#f3f0ff", "#17122b"]
    assert f'<link rel="apple-touch-icon" href="/brand/{branded["icon.png"].version}/icon.png">' in html


def test_without_a_brand_the_pages_are_ours(db):
    html = Client().get("/").content.decode()
    assert "/brand/" not in html
    assert re.findall(r'name="theme-color" content="(.*?)"', html) == ["#f2f4ee", "#0c1512"]
    assert html.count("/static/users/icon.svg") == 2
    assert html.count("/static/users/icon.png") == 1


def test_beside_another_logo_our_icon_is_not_shown(db, settings, folder):
    (folder / brand.ICON).unlink()
    settings.BRAND = brand.read(folder)
    html = Client().get("/").content.decode()
    assert "apple-touch-icon" not in html
    assert "/static/users/icon" not in html


def test_an_icon_stands_for_a_missing_logo(db, settings, folder):
    (folder / brand.LOGO).unlink()
    settings.BRAND = brand.read(folder)
    assert Client().get("/").content.decode().count("/icon.png") == 3
    assert Client().get("/favicon.ico")["Location"].endswith("/icon.png")


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("logo.svg", "image/svg+xml"), ("icon.png", "image/png"), ("theme.css", "text/css; charset=utf-8")],
)
def test_a_file_is_served_for_ever_under_its_version(branded, name, content_type):
    file = branded[name]
    answer = Client().get(f"/brand/{file.version}/{name}")
    assert (answer.status_code, answer.content, answer["Content-Type"]) == (200, file.content, content_type)
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert (answer["Content-Security-Policy"] == POLICY) == (name != "theme.css")
    again = Client().get(f"/brand/{file.version}/{name}", headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert Client().get(f"/brand/older/{name}")["Cache-Control"] == "no-cache"
    assert Client().post(f"/brand/{file.version}/{name}").status_code == 405


@pytest.mark.parametrize("name", ["notes.txt", "LOGO.SVG", "..%2f..%2fmanage.py"])
def test_nothing_else_is_served(db, branded, name):
    assert Client().get(f"/brand/x/{name}").status_code == 404


def test_without_a_brand_nothing_is_served(db):
    assert Client().get("/brand/x/logo.svg").status_code == 404
