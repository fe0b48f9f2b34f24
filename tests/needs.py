"""What a test needs beyond Python: where it is missing the test is skipped and says so, in CI it fails."""

import os
import shutil

import pytest

from project import env

IN_CI = bool(os.environ.get("CI"))


def program(name: str, hint: str) -> str:
    """The path of a program of this machine or of node_modules. Skips the test without it, or in CI fails it."""
    paths = [os.environ.get("PATH", ""), "/usr/sbin", str(env.ROOT / "npm" / "node_modules" / ".bin")]
    found = shutil.which(name, path=os.pathsep.join(paths))
    if not found:
        (pytest.fail if IN_CI else pytest.skip)(f"needs {name}: {hint}")
    return found
