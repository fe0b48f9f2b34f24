"""What the log looks like: one JSON line a record, and a second net for what must never be in one."""

import json
import logging
import re
from datetime import UTC, datetime

# Where a phone number, a token or a code may slip in that the first net, users/audit.py, never sees: other people's
# messages, addresses and tracebacks.
_SECRETS = (
    (re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*"), "<token>"),
    (re.compile(r"(?i)\b(bearer|jwt|token)\s+[\w.~+/=-]{16,}"), r"\1 <token>"),
    (re.compile(r"(?:\+|%2B|\b00|\b8|\b7)[\s(-]*\d(?:[\s().-]*\d){8,13}\b"), "<phone>"),
    (
        re.compile(r"(?i)\b(otp|code|password|secret|refresh_token|challenge)(['\"]?\s*[=:]\s*['\"]?)[^\s'\"&,)]+"),
        r"\1\2<hidden>",
    ),
)


def redact(text: str) -> str:
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class JSONLines(logging.Formatter):
    """`{"at", "level", "logger", "event", …facts}`; a traceback, if there is one, under "trace"."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": redact(record.getMessage()),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["trace"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)
