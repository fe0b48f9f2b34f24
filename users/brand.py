"""The operator's own looks: a folder with a logo, an icon and colours, read and checked before anything starts.

What was checked is what is served: the files stay in memory, and the folder is not looked at again. Pure.
"""

import hashlib
import io
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from xml.parsers import expat

LOGO, ICON, THEME = "logo.svg", "icon.png", "theme.css"
TYPES = {LOGO: "image/svg+xml", ICON: "image/png", THEME: "text/css; charset=utf-8"}
MOST_BYTES = {LOGO: 64 * 1024, ICON: 256 * 1024, THEME: 32 * 1024}
MOST_PIXELS = 1024  # a side

_SVG = "http://www.w3.org/2000/svg svg"
_SCRIPTED = {"script", "foreignobject", "handler", "listener"}
_FETCHES = re.compile(r"@import|(url|image-set|src)\(\s*(?!['\"]?#)", re.IGNORECASE)
_LOGO_FETCHES = f"{LOGO} fetches something from elsewhere"
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_ROOT = re.compile(r"(@media[^{}]*\{)?\s*:root\s*\{([^{}]*)\}")
_VARIABLE = re.compile(r"--([\w-]+)\s*:\s*([^;{}]+)")


@dataclass(frozen=True)
class File:
    content: bytes
    content_type: str

    @cached_property
    def version(self) -> str:
        """Part of its address, so that it may be cached for ever."""
        return hashlib.sha256(self.content).hexdigest()[:16]


@dataclass(frozen=True)
class Colours:
    """A style sheet's variables by name, for light pages and for dark ones."""

    light: dict[str, str] = field(default_factory=dict)
    dark: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Brand:
    """`files` by name. Of what is not there, ours stands."""

    files: dict[str, File] = field(default_factory=dict)
    colours: Colours = field(default_factory=Colours)


def read(folder: Path) -> Brand:
    """Raises ValueError with what is wrong, naming the file."""
    if not folder.is_dir():
        raise ValueError("there is no such folder")
    found = {name: File(_bytes(folder / name), TYPES[name]) for name in TYPES if (folder / name).exists()}
    if not found:
        raise ValueError(f"the folder holds none of {', '.join(TYPES)}")
    for name, file in found.items():
        _CHECKS[name](file.content)
    return Brand(found, colours(found[THEME].content.decode()) if THEME in found else Colours())


def colours(sheet: str) -> Colours:
    """What the sheet says of `:root`, and of `:root` in a media query that mentions dark: a dark page takes both."""
    light: dict[str, str] = {}
    dark: dict[str, str] = {}
    for media, declarations in _ROOT.findall(_COMMENT.sub("", sheet)):
        said = {name: value.strip() for name, value in _VARIABLE.findall(declarations)}
        dark |= said
        if "dark" not in media:
            light |= said
    return Colours(light, dark)


def _bytes(path: Path) -> bytes:
    most = MOST_BYTES[path.name]
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}") from None
    if len(content) > most:
        raise ValueError(f"{path.name} is larger than {most // 1024} KiB")
    return content


def _check_logo(content: bytes) -> None:
    """An SVG picture that runs nothing, fetches nothing and defines no entities, which could grow without end."""
    reader = _SVGReader()
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.StartDoctypeDeclHandler = reader.refuse_definitions
    parser.ProcessingInstructionHandler = reader.refuse_definitions
    parser.StartElementHandler = reader.check_element
    parser.CharacterDataHandler = reader.keep_text
    try:
        parser.Parse(content, True)
    except expat.ExpatError:
        raise ValueError(f"{LOGO} is no SVG") from None
    if _FETCHES.search(reader.text):
        raise ValueError(_LOGO_FETCHES)


class _SVGReader:
    """Told of one thing after the other that stands in the file. `text` is what the style sheets in it say."""

    text = ""
    is_in_svg = False

    def refuse_definitions(self, *_) -> None:
        raise ValueError(f"{LOGO} has a DOCTYPE or a processing instruction: take that line out")

    def keep_text(self, text: str) -> None:
        self.text += text

    def check_element(self, name: str, attributes: dict[str, str]) -> None:
        if not self.is_in_svg and name != _SVG:
            raise ValueError(f"{LOGO} is no SVG")
        self.is_in_svg = True
        if _local(name) in _SCRIPTED or any(_local(attribute).startswith("on") for attribute in attributes):
            raise ValueError(f"{LOGO} holds a script or a foreign page")
        if any(_fetches(_local(attribute), value) for attribute, value in attributes.items()):
            raise ValueError(_LOGO_FETCHES)


def _local(name: str) -> str:
    """Without its namespace, which the parser puts before a space."""
    return name.rpartition(" ")[2].lower()


def _fetches(attribute: str, value: str) -> bool:
    return (attribute == "href" and not value.strip().startswith("#")) or bool(_FETCHES.search(value))


def _check_icon(content: bytes) -> None:
    from PIL import Image  # takes a while to import, and most have no icon of their own

    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            is_small = max(picture.size) <= MOST_PIXELS
            if is_small:
                picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise ValueError(f"{ICON} is no PNG") from None
    if not is_small:
        raise ValueError(f"{ICON} is larger than {MOST_PIXELS} pixels a side")


def _check_theme(content: bytes) -> None:
    """A style sheet that sets variables and fetches nothing. (An escape could hide what it fetches.)"""
    try:
        sheet = _COMMENT.sub("", content.decode())
    except UnicodeDecodeError:
        raise ValueError(f"{THEME} is not in UTF-8") from None
    if "\0" in sheet or "<" in sheet or sheet.count("{") != sheet.count("}") or not _VARIABLE.search(sheet):
        raise ValueError(f"{THEME} is no style sheet with CSS variables, such as :root {{ --ticket: #c8e6ff; }}")
    if _FETCHES.search(sheet) or "\\" in sheet:
        raise ValueError(f"{THEME} fetches something: no @import, url() or backslash may be in it")


_CHECKS = {LOGO: _check_logo, ICON: _check_icon, THEME: _check_theme}
