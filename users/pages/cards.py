"""The picture a messenger shows beside an invite link: the ticket, with its code and its QR code.

Drawn in the light colours of the brand, since nobody knows which the reader's messenger has.
"""

import io
from functools import cache, lru_cache
from importlib import resources

import segno
from django.conf import settings
from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFont

from users import brand
from users.pages.brand import OURS, SHOWN

SIZE = (1200, 630)  # what Open Graph's readers crop nothing of
KEPT = 256  # pictures a process, of 15 KB or so each

_TICKET = (80, 105, 1120, 525)
_FOLD = 760  # where the stub begins
_INSIDE = 140
_QR_BOX = (790, 165, 1090, 465)
_QR_MOST = 276
_FINER = 2  # shapes are drawn so much larger and then reduced, since Pillow draws jagged edges

# Every picture is one of 256 colours: that is packed in a fifth of the time. The last ones are for what is drawn anew
# for each code: shades from the ticket to its letters, then white and black.
_SHADES = 32
_FIRST_SHADE = 256 - _SHADES - 2
_AS_SHADES = [_FIRST_SHADE + level * (_SHADES - 1) // 255 for level in range(256)]
_AS_WHITE_AND_BLACK = [254] * 128 + [255] * 128


@lru_cache(maxsize=KEPT)
def png(code: str, link: str) -> bytes:
    """Some five milliseconds the first time."""
    blank, palette = _blank()
    picture = blank.copy()
    _draw_code(picture, code)
    _draw_qr(picture, link)
    picture.putpalette(palette)
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=3)
    return file.getvalue()


@cache
def _blank() -> tuple[Image.Image, list[int]]:
    """The ticket with the product's name, for every code: as numbers of colours, and the colours."""
    large = Image.new("RGB", (SIZE[0] * _FINER, SIZE[1] * _FINER), _colour("page"))
    _draw_ticket(ImageDraw.Draw(large))
    picture = large.resize(SIZE, Image.Resampling.BOX)
    _draw_name(picture)
    reduced = picture.quantize(_FIRST_SHADE)
    palette = (reduced.getpalette() or [])[: 3 * _FIRST_SHADE]
    palette += [0] * (3 * _FIRST_SHADE - len(palette)) + _shades() + [255] * 3 + [0] * 3
    return Image.frombytes("L", SIZE, reduced.tobytes()), palette


def _shades() -> list[int]:
    ticket, letters = _colour("ticket"), _colour("on-ticket")
    steps = [step / (_SHADES - 1) for step in range(_SHADES)]
    return [round(under + (over - under) * step) for step in steps for under, over in zip(ticket, letters, strict=True)]


def _draw_ticket(draw: ImageDraw.ImageDraw) -> None:
    left, top, right, bottom = (side * _FINER for side in _TICKET)
    fold, hole = _FOLD * _FINER, 26 * _FINER
    draw.rounded_rectangle((left, top, right, bottom), 40 * _FINER, fill=_colour("ticket"))
    for height in (top, bottom):
        draw.ellipse((fold - hole, height - hole, fold + hole, height + hole), fill=_colour("page"))
    for height in range(top + 2 * hole, bottom - 2 * hole, 24 * _FINER):
        draw.line((fold, height, fold, height + 12 * _FINER), fill=_colour("page"), width=5 * _FINER)
    draw.rounded_rectangle(tuple(side * _FINER for side in _QR_BOX), 24 * _FINER, fill="white")


def _draw_name(picture: Image.Image) -> None:
    """Beside the icon where there is one; not at all where our font lacks one of its letters."""
    left, middle = _INSIDE, 228
    if icon := settings.BRAND.files.get(brand.ICON):
        with Image.open(io.BytesIO(icon.content)) as opened:
            small = opened.convert("RGBA").resize((72, 72), Image.Resampling.LANCZOS)
        picture.paste(small, (left, middle - 36), _rounded(small))
        left += 92
    font = _font(48)
    name = _shortened(settings.SITE_NAME, font, _FOLD - 60 - left)
    if _has_every_letter(font, name):
        ImageDraw.Draw(picture).text((left, middle), name, fill=_colour("on-ticket"), font=font, anchor="lm")


def _rounded(icon: Image.Image) -> Image.Image:
    """What of it is to be seen: as phones show it, without its corners."""
    large = Image.new("L", (icon.width * _FINER, icon.height * _FINER))
    ImageDraw.Draw(large).rounded_rectangle((0, 0, large.width - 1, large.height - 1), 16 * _FINER, fill=255)
    return ImageChops.multiply(icon.getchannel("A"), large.resize(icon.size, Image.Resampling.BOX))


def _draw_code(picture: Image.Image, code: str) -> None:
    letters = Image.new("L", (_FOLD - _INSIDE - 50, 150))
    ImageDraw.Draw(letters).text((0, 75), code, fill=255, font=_font(116), anchor="lm")
    picture.paste(letters.point(_AS_SHADES), (_INSIDE - 6, 290))


def _draw_qr(picture: Image.Image, link: str) -> None:
    """On white, whatever the brand's colours: cameras want the contrast."""
    code = segno.make(link, error="m", micro=False)
    rows = [bytes(255 if dark else 0 for dark in row) for row in code.matrix_iter(border=2)]
    side = len(rows) * max(1, _QR_MOST // len(rows))
    drawn = Image.frombytes("L", (len(rows), len(rows)), b"".join(rows)).resize((side, side), Image.Resampling.NEAREST)
    left, top, right, bottom = _QR_BOX
    picture.paste(drawn.point(_AS_WHITE_AND_BLACK), ((left + right - side) // 2, (top + bottom - side) // 2))


def _shortened(name: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(name) <= width:
        return name
    while font.getlength(f"{name}…") > width:
        name = name[:-1].rstrip()
    return f"{name}…"


def _has_every_letter(font: ImageFont.FreeTypeFont, text: str) -> bool:
    """A font draws the same box for every letter it lacks."""
    lacking = bytes(font.getmask("\uffff"))
    return all(bytes(font.getmask(letter)) != lacking for letter in text)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    with (resources.files("font_manrope") / "files" / "Manrope-ExtraBold.ttf").open("rb") as file:
        return ImageFont.truetype(io.BytesIO(file.read()), size)


def _colour(name: str) -> tuple[int, ...]:
    """As the theme has it, if Pillow can read it; CSS knows more ways to write a colour."""
    try:
        return ImageColor.getrgb(SHOWN.light[name])[:3]
    except ValueError:
        return ImageColor.getrgb(OURS.light[name])
