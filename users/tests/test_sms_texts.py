"""The words of the message, and what an operator makes of them."""

import pytest

from users.sms import Message, texts

HOST = "zovi.example"  # 12 characters


def text(language, code="0421", host=HOST):
    return texts.code_text(code, host=host, language=language)


def test_the_words_are_ours_unless_the_settings_have_others(settings):
    assert text("en") == "Zovi: 0421 is your sign-in code. Tell it to nobody.\n\n@zovi.example #0421"
    assert text("ru") == "Zovi: код 0421. Никому его не сообщайте.\n\n@zovi.example #0421"
    settings.SITE_NAME, settings.SMS_TEXT = "Книги", "{code} for {site}"
    settings.SMS_TEXT_RU = "Вход на {site}.\nКод: {code}"
    assert text("en") == "0421 for Книги\n\n@zovi.example #0421"
    assert text("ru") == "Вход на Книги.\nКод: 0421\n\n@zovi.example #0421"
    assert text("ru-RU").startswith("Вход")


def test_the_last_line_names_the_site_or_is_not_there(settings):
    assert text("en", host="[::1]").splitlines()[-1] == "@[::1] #0421"
    settings.SITE_URL = "https://books.example:8443"
    assert text("en", host="api.zovi.example").splitlines()[-1] == "@books.example #0421"
    settings.SITE_URL = "http://[2001:db8::1]:8000"
    assert text("en").splitlines()[-1] == "@[2001:db8::1] #0421"
    settings.SMS_WEBOTP = False
    assert text("en") == "Zovi: 0421 is your sign-in code. Tell it to nobody."


@pytest.mark.parametrize("code", ["0421", "042137", "04213789"])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_default_text_is_one_segment_whatever_the_code(language, code):
    assert texts.segments(text(language, code)) == 1
    assert len(text("ru", code)) <= 70


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("@£$è\n", 1),
        ("[" * 80, 1),  # from the second alphabet: two places each
        ("[" * 81, 2),
        ("a" * 152 + "[" + "a" * 152, 3),  # a pair is not split, so the first part stays short
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("я" * 134, 2),
        ("я" * 135, 3),
        ("a" * 69 + "я", 1),
        ("a" * 70 + "`", 2),  # no letter of the first alphabet or the second
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 67, 3),  # 33 pairs to a part
        ("", 1),
    ],
)
def test_segments_are_counted_as_operators_do(words, count):
    assert texts.segments(words) == count


def test_a_message_shows_nothing_of_itself_where_it_is_printed():
    shown = repr(Message("+79136740000", "0421", "a-challenge", host=HOST))
    assert "9136740000" not in shown
    assert "0421" not in shown


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("Welcome", "must hold {code}"),
        ("{code} {phone}", "holds {phone}"),
        ("{code} {", "holds {"),
        ("{code} }", "holds }"),
        ("{code}\n@books.example #1", "a line that begins with @"),
        ("@{code}", "a line that begins with @"),
        ("{code}\n {site}", "a line that begins with @"),
        ("{code}\x00", "cannot be seen"),
    ],
)
@pytest.mark.parametrize("name", ["SMS_TEXT", "SMS_TEXT_RU"])
def test_a_text_that_cannot_carry_a_code_is_refused(settings, name, given, why):
    settings.SITE_NAME = "@books"
    setattr(settings, name, given)
    with pytest.raises(ValueError, match=f"^{name} .*{why}"):
        texts.require_texts()


def test_a_text_that_can_is_not(settings):
    settings.SMS_TEXT, settings.SMS_TEXT_RU = "{site}: {code}\nWrite to help@books.example", "{code}"
    texts.require_texts()
