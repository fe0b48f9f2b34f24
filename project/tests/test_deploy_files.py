"""What deploy/ holds for Prometheus and Grafana asks for metrics that there are, and is explained."""

import json
import re
import subprocess

import pytest
import yaml

from project import metrics
from project.env import ROOT
from tests import needs

NAMES = {
    *(f"{name}_total" for name in (*metrics._CODES, *metrics._COUNTERS, "zovi_guard_decisions")),
    *metrics._GAUGES,
}


@pytest.mark.parametrize("file", ["alerts.yml", "grafana.json"])
def test_it_asks_for_metrics_that_there_are(file):
    asked = set(re.findall(r"zovi_[a-z_]+", (ROOT / "deploy" / file).read_text()))
    assert len(asked) >= 5
    assert asked <= NAMES


def test_every_rule_is_explained():
    [group] = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"]
    documented = (ROOT / "docs" / "operations.md").read_text()
    assert len(group["rules"]) == 5
    for rule in group["rules"]:
        assert set(rule) >= {"alert", "expr", "labels", "annotations"}
        assert f"`{rule['alert']}`" in documented


def test_prometheus_own_program_takes_the_rules():
    command = [needs.program("promtool", "apt install prometheus"), "check", "rules", ROOT / "deploy" / "alerts.yml"]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "SUCCESS: 5 rules found" in checked.stdout


def test_every_alarm_is_explained():
    sources = "".join(path.read_text() for path in (ROOT / "users").rglob("*.py") if "tests" not in path.parts)
    alarms = set(re.findall(r'_alarm\("(\w+)"', sources))
    assert alarms == {"limit_reached", "sms_guard", "webhook_given_up", "webhook_gone"}
    explained = re.findall(r"(?m)^\| `(\w+)`", (ROOT / "docs" / "operations.md").read_text())
    assert alarms - set(explained) == set()


def test_the_dashboard_has_panels_with_a_question_each():
    dashboard = json.loads((ROOT / "deploy" / "grafana.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) == 8
    assert all(target["expr"] for panel in panels for target in panel["targets"])
