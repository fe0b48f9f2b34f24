import json
import logging
import sys

import pytest

from project.logs import JSONLines, redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Key (phone)=(+79136740000) already exists", "Key (phone)=(<phone>) already exists"),
        ("GET /sms/%2B79136740000", "GET /sms/<phone>"),
        ("8 (913) 674-00-00 called", "<phone> called"),
        ("Authorization: Bearer eyJhbGciOiJI.eyJzdWIi.c2ln", "Authorization: Bearer <token>"),
        ("otp=0421&challenge=c234cece", "otp=<hidden>&challenge=<hidden>"),
        ('{"code": "0421"}', '{"code": "<hidden>"}'),
        ("Listening at: http://127.0.0.1:8000 (4960)", "Listening at: http://127.0.0.1:8000 (4960)"),
        ("173922f4-695e-4445-bc63-5766e2328f27", "173922f4-695e-4445-bc63-5766e2328f27"),
    ],
)
def test_what_must_not_be_in_a_log_is_taken_out(text, shown):
    assert redact(text) == shown


def test_a_record_is_one_json_line_with_its_facts():
    record = logging.LogRecord("zovi", logging.INFO, "", 0, "code_sent", None, None)
    record.facts = {"phone": "+7 913 ***-**-00"}
    line = json.loads(JSONLines().format(record))
    assert line.pop("at")
    assert line == {"level": "INFO", "logger": "zovi", "event": "code_sent", "phone": "+7 913 ***-**-00"}


def test_a_traceback_is_redacted_too():
    try:
        raise RuntimeError("cannot send to +79136740000")
    except RuntimeError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed", None, sys.exc_info())
    text = JSONLines().format(record)
    assert "79136740000" not in text
    assert "<phone>" in json.loads(text)["trace"]
    assert "\n" not in text
