"""A second brand, as different from ours as it gets: another name, another logo, other colours, dark and light."""

import io
from pathlib import Path

from PIL import Image, ImageDraw

NAME = "Полка и книга"
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">
  <rect width="64" height="64" rx="32" fill="#5b3df5"/>
  <path fill="#fff" d="M18 14h11v36H18zM33 22h9v28h-9zM45 24l8-2 4 27-8 1z"/>
</svg>
"""
THEME = """/* Violet and mint. */
:root {
  --page: #f3f0ff; --card: #fff; --ink: #1d1640; --soft: #544b7c; --line: #d8d0f5; --edge: #7d72ad;
  --link: #4a2ee0; --act: #5b3df5; --on-act: #fff; --ticket: #b8f2d8; --on-ticket: #10312a; --soft-on-ticket: #23564a;
  --focus: #b3005e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #17122b; --card: #221b3d; --ink: #f1eeff; --soft: #b6abdf; --line: #3a3160; --edge: #8175b3;
    --link: #b9a8ff; --act: #8de8c1; --on-act: #10312a; --focus: #ffb0d6;
  }
}
"""


def _icon() -> bytes:
    picture = Image.new("RGB", (180, 180), "#5b3df5")
    draw = ImageDraw.Draw(picture)
    for left, top, right in ((50, 40, 81), (93, 62, 118), (130, 62, 150)):
        draw.rectangle((left, top, right, 140), fill="white")
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


ICON = _icon()


def write(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "logo.svg").write_text(LOGO)
    (folder / "icon.png").write_bytes(ICON)
    (folder / "theme.css").write_text(THEME)
    return folder
