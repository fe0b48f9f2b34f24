"""Breaks the rules in every small way there is, and counts how often the tests notice: `make mutants`.

mutmut (pinned in the Makefile) works on a clone with an environment of its own, one mutant at a time, because they
share one database. Writes docs/mutants.md.
"""

import re
import subprocess
import sys
from pathlib import Path

PAGE = """# Mutants

`make mutants` breaks `users/limits/`, `users/tokens/`, `users/codes.py` and `users/services/` in every small way
mutmut knows, one at a time, and runs the tests in `users/tests` and `schema/tests/test_me.py` (without the races) that
reach the broken place.

{killed} of {mutants} mutants were killed ({share:.1%}), at commit {commit}.

These survived. What each changes, as a diff:

{survivors}
"""


def run(*arguments: str) -> str:
    mutmut = Path(sys.executable).with_name("mutmut")
    return subprocess.run([mutmut, *arguments], capture_output=True, text=True, check=True).stdout


def show(name: str) -> str:
    changed = [line for line in run("show", name).splitlines() if re.match(r"[+-](?![+-])", line)]
    return f"`{name}`\n```diff\n" + "\n".join(changed) + "\n```"


def main() -> None:
    with open("mutmut.log", "w") as log:
        mutmut = Path(sys.executable).with_name("mutmut")
        subprocess.run([mutmut, "run", "--max-children", "1"], stdout=log, check=False)
    results = dict(re.findall(r"^\s+(\S+): ([a-z ]+)$", run("results", "--all", "true"), re.MULTILINE))
    survivors = sorted(name for name, result in results.items() if result not in {"killed", "timeout"})
    killed = len(results) - len(survivors)
    text = PAGE.format(
        killed=killed,
        mutants=len(results),
        share=killed / len(results),
        commit=subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip(),
        survivors="\n\n".join(show(name) for name in survivors),
    )
    Path(sys.argv[1]).write_text(text)
    sys.stdout.write(f"{killed} of {len(results)} mutants were killed; the others are in docs/mutants.md\n")


if __name__ == "__main__":
    main()
