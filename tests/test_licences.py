"""Who takes Zovi takes its dependencies: all are permissive, but for those that docs/dependencies.md explains."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from project import env

PAGE = (env.ROOT / "docs" / "dependencies.md").read_text()
NAMED = set(re.findall(r"(?m)^\| `([\w.-]+)` \|", PAGE))
PERMISSIVE = {
    *("0BSD", "AFL-2.1", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0"),
    *("Python-2.0", "Unlicense", "WTFPL"),
    *("Apache Software License", "BSD License", "BSD 3-Clause", "MIT License"),  # as older packages say it
}


def is_permissive(licence: str) -> bool:
    """All of what is joined by AND, and by the semicolons of classifiers, must be so; one of what is joined by OR."""
    parts = re.split(r" AND |; ", licence)
    return all(any(part.strip("() ") in PERMISSIVE for part in either.split(" OR ")) for either in parts)


def licences_of_python() -> dict[str, str]:
    command = [Path(sys.executable).with_name("pip-licenses"), "--format=json", f"--python={sys.executable}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {package["Name"]: package["License"] for package in json.loads(done.stdout)}


def licences_of_npm(folder: str) -> dict[str, str]:
    packages = json.loads((env.ROOT / folder / "package-lock.json").read_text())["packages"]
    installed = {name.rpartition("node_modules/")[2]: package for name, package in packages.items() if name}
    return {name: package.get("license", "none") for name, package in installed.items()}


def test_every_dependency_is_permissive_or_is_named_with_a_reason():
    licences = licences_of_python() | licences_of_npm("npm") | licences_of_npm("bench")
    assert len(licences) > 300
    assert {name for name, licence in licences.items() if not is_permissive(licence)} == NAMED


@pytest.mark.parametrize(
    ("licence", "permissive"),
    [
        ("MIT", True),
        ("GPL-3.0", False),
        ("Apache-2.0 OR GPL-2.0", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", False),
        ("MIT License; GNU General Public License (GPL)", False),
        ("UNKNOWN", False),
    ],
)
def test_licences_are_understood(licence, permissive):
    assert is_permissive(licence) is permissive


def test_the_page_says_what_each_package_is_for():
    direct = re.findall(r"(?m)^([\w.-]+)==", (env.ROOT / "requirements.txt").read_text().partition("\n\n")[0])
    rows = re.findall(r"(?m)^\| ([A-Za-z][\w., -]*) \| [^|]+ \|$", PAGE.partition("## Licences")[0])
    described = [name for row in rows for name in row.split(", ") if name != "package"]
    assert sorted(described) == sorted(direct)


def test_the_licence_is_said_wherever_it_is_looked_for():
    assert (env.ROOT / "LICENSE").read_text().startswith("MIT License\n")
    for name, words in {
        "README.md": "[MIT](LICENSE)",
        "README.ru.md": "[MIT](LICENSE)",
        "pyproject.toml": 'license = "MIT"',
        "Dockerfile": 'org.opencontainers.image.licenses="MIT"',
        "project/settings.py": '"LICENSE": {"name": "MIT"',
    }.items():
        assert words in (env.ROOT / name).read_text(), name
