"""The file .env, read strictly: whatever is not understood is refused, for half a configuration may be a demo.

Refused by the number of the line, never by what it holds: that may be a secret.
"""

import difflib
import re
import unicodedata
from collections.abc import Collection
from pathlib import Path

# NAME=value as shells, systemd and Docker read it alike; spaces around = and a leading `export` are forgiven.
ASSIGNMENT = re.compile(
    r"""\s* (?:export\s+)? (?P<name>[A-Za-z_]\w*) \s*=\s*
        (?: '(?P<literal>[^']*)' | "(?P<quoted>(?:[^"\\]|\\["\\n$])*)" | (?P<plain>(?:[^\s"'\#].*?)?) )
        \s* (?:(?<=\s)\#.*)?""",
    re.VERBOSE | re.ASCII,
)
ESCAPE = re.compile(r"\\([\"\\n$])")
FOR_A_SHELL = re.compile(r"\$[{($\w]|`|\\$")  # it would put something else there, or go on with the next line
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# What libraries and docker compose look for; any other name that no setting has is a slip.
FOR_OTHERS = re.compile(r"PG[A-Z]+|COMPOSE_[A-Z_]+|SITE|TZ|(HTTPS?|NO|ALL)_PROXY|SSL_CERT_(FILE|DIR)")


def read(path: Path, names: Collection[str]) -> dict[str, str]:
    """What the file says of these `names`. Raises ValueError, or OSError where it cannot be read."""
    found: dict[str, str] = {}
    for number, raw in enumerate(path.read_bytes().removeprefix(BYTE_ORDER_MARK).splitlines(), start=1):
        try:
            line = _text(raw)
            if line.strip() and not line.lstrip().startswith("#"):
                name, value = _assignment(line)
                _check(name, found, names)
                found[name] = value
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None
    return found


def _text(raw: bytes) -> str:
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("this is not UTF-8") from None
    if any(unicodedata.category(character).startswith("C") for character in line.replace("\t", " ")):
        raise ValueError("it holds a character that cannot be seen, as UTF-16 does: save the file as UTF-8")
    return line


def _assignment(line: str) -> tuple[str, str]:
    match = ASSIGNMENT.fullmatch(line)
    if not match:
        raise ValueError("this is no NAME=value that can be understood")
    if FOR_A_SHELL.search(ESCAPE.sub("", match["quoted"] or match["plain"] or "")):
        raise ValueError("nothing is replaced here as in a shell: put such a value between single quotes")
    if match["quoted"] is not None:
        return match["name"], ESCAPE.sub(lambda escape: escape[1].replace("n", "\n"), match["quoted"])
    return match["name"], match["literal"] or match["plain"] or ""


def _check(name: str, found: dict[str, str], names: Collection[str]) -> None:
    if found.get(name):  # the example's empty line may stand above one's own
        raise ValueError("an earlier line gives the same name")
    if name not in names and not FOR_OTHERS.fullmatch(name):
        similar = difflib.get_close_matches(name.upper(), names, n=1)
        perhaps = f", but there is {similar[0]}" if similar else ""
        raise ValueError(f"there is no setting of this name{perhaps}; .env.example has them all")
