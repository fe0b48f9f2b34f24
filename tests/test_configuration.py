"""docs/configuration.md names every variable there is, and the defaults that project/settings.py gives them."""

import ast
import re
from collections.abc import Iterator

import pytest

from project import env

PAGE = (env.ROOT / "docs" / "configuration.md").read_text()
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if re.match(r"\| `[A-Z]", line)]


def in_code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


DESCRIBED = [name for names, *_ in ROWS for name in in_code(names)]


def defaults_shown() -> Iterator[tuple[str, bool, str]]:
    """(variable, in a demo, default) of every one that stands there in code style."""
    for names, real, *rest in ROWS:
        demo = rest[0] if len(rest) == 2 else ""
        for is_demo, cell in ((False, real), (True, demo.strip() or real)):
            if len(in_code(cell)) == len(in_code(names)):
                yield from ((name, is_demo, value) for name, value in zip(in_code(names), in_code(cell), strict=True))


def defaults_there_are(demo: bool) -> dict[str, str]:
    """Those that settings.py gives to a helper of env as a constant, or as one for a demo and another for real."""
    found = {}
    for call in ast.walk(ast.parse((env.ROOT / "project" / "settings.py").read_text())):
        if isinstance(call, ast.Call) and getattr(getattr(call.func, "value", None), "id", "") == "env":
            match call.args:
                case [ast.Constant(value=name), default, *_] if name in env.NAMES and is_constant(default):
                    value = eval(compile(ast.Expression(default), "", "eval"), {"DEMO": demo})  # noqa: S307
                    found[name] = ",".join(value) if isinstance(value, list) else str(value)
    return {name: value for name, value in found.items() if value}


def is_constant(node: ast.expr) -> bool:
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return not isinstance(node, ast.Name) and names <= {"DEMO"}


def test_every_variable_has_its_row_and_no_other():
    files = {name for name in env.NAMES if name.endswith("_FILE")}
    assert sorted(DESCRIBED) == sorted(env.NAMES - files)
    assert set(re.findall(r"`(\w+_FILE)`", PAGE)) == files | {"ENV_FILE"}
    assert files == {f"{name}_FILE" for name in env.FROM_FILES}


@pytest.mark.parametrize("demo", [False, True], ids=["for real", "in a demo"])
def test_the_defaults_are_those_of_the_settings(demo):
    there_are = defaults_there_are(demo)
    shown = {name: value for name, is_demo, value in defaults_shown() if is_demo == demo and name in there_are}
    assert shown == there_are
    assert len(shown) >= 30
