import json
import re
import subprocess
import sys

import pytest

from project import env
from tests.attack.scorecard import PROVEN_BY, ROWS


@pytest.fixture(scope="module")
def collected() -> dict[str, set[str]]:
    """The whole suite: for each test the rows it says it proves."""
    show = "import json, pytest, sys; from tests.attack.scorecard import rows_of\n"
    show += "class Show:\n  def pytest_collection_modifyitems(self, items):\n"
    show += "    print('rows', json.dumps({i.nodeid.partition('[')[0]: sorted(rows_of(i)) for i in items}))\n"
    show += "sys.exit(pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider'], plugins=[Show()]))"
    done = subprocess.run([sys.executable, "-c", show], cwd=env.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [line] = re.findall(r"(?m)^rows (.*)$", done.stdout)
    return {test: set(rows) for test, rows in json.loads(line).items()}


def test_every_row_has_a_test_and_every_mark_is_a_row(collected):
    assert set().union(*collected.values()) == set(ROWS)


def test_every_test_that_is_named_exists(collected):
    assert set(PROVEN_BY) - set(collected) == set()


def test_no_row_of_the_list_is_missing():
    counts = {"O": 15, "T": 8, "R": 7, "G": 6, "H": 7, "P": 4, "S": 3}
    expected = {f"{letter}{number}" for letter, count in counts.items() for number in range(1, count + 1)}
    assert set(ROWS) == expected | {"O3b", "O16", "F1", "F2", "F3", "F4", "F6", "F8"}
