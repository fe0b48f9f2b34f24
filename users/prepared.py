"""A statement whose values have names, as PostgreSQL prepares and executes it. Pure."""

import re

_VALUE = re.compile(r"%\((\w+)\)s")


def name(statement: str, called: str) -> tuple[str, str]:
    """What prepares the statement under that name, and what executes it then with the same `%(name)s`."""
    values = list(dict.fromkeys(_VALUE.findall(statement)))
    numbered = statement % {value: f"${number}" for number, value in enumerate(values, 1)}
    return f"PREPARE {called} AS {numbered}", f"EXECUTE {called} ({', '.join(f'%({value})s' for value in values)})"
