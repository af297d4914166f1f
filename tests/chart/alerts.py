#!/usr/bin/env python3
"""Prints promtool's unit tests of the alerts in a file: each with numbers at which it fires, and with some at which it does not."""
import json
import re
import sys

TEXT = open(sys.argv[1]).read()
ALERTS = {
    name: {"severity": severity, "summary": summary, "runbook": runbook}
    for name, severity, summary, runbook in re.findall(
        r"- alert: (\w+)\n.*?severity: (\w+)\}.*?summary: (.*?)\n\s+runbook: (\S+)", TEXT, re.S
    )
}


def histogram(metric, longest):
    """A histogram of one observation a second, each of which took as long as the bucket of `longest` holds."""
    series = {f'{metric}_bucket{{le="{bound}"}}': "0+60x60" if bound >= longest else "0x60" for bound in (1, 10, 30, 60, 300)}
    return series | {f'{metric}_bucket{{le="+Inf"}}': "0+60x60"}


def pod(metric, name, namespace="one", **labels):
    inner = ", ".join(f'{key}="{value}"' for key, value in {"namespace": namespace, "job": "operator", "pod": name, **labels}.items())
    return f"{metric}{{{inner}}}"


# Alert: (what else its labels say, [(series, minute at which it fires)], [(series, minute at which it does not)])
CASES = {
    "BottleOperatorNotLeading": (
        {},
        [({pod("bot_bottle_leading", "a"): "0x60", pod("bot_bottle_leading", "b"): "0x60"}, 6), ({}, 6)],
        [({pod("bot_bottle_leading", "a"): "0x60"}, 4), ({pod("bot_bottle_leading", "a"): "0x60", pod("bot_bottle_leading", "b"): "1x60"}, 30)],
    ),
    "BottleOperatorSplit": (
        {"namespace": "one", "job": "operator"},
        [({pod("bot_bottle_leading", "a"): "1x60", pod("bot_bottle_leading", "b"): "1x60"}, 2)],
        [({pod("bot_bottle_leading", "a"): "1x60", pod("bot_bottle_leading", "b", "two"): "1x60"}, 30)],
    ),
    "BottleReconcilesFail": (
        {},
        [({pod("bot_bottle_reconciles_total", "a", outcome="error"): "0+60x60"}, 20)],
        [({pod("bot_bottle_reconciles_total", "a", outcome="ok"): "0+600x60", pod("bot_bottle_reconciles_total", "a", outcome="error"): "0+1x60"}, 40)],
    ),
    "BottleReconcilesWait": (
        {},
        [(histogram("bot_bottle_reconcile_wait_seconds", 60), 30)],
        [(histogram("bot_bottle_reconcile_wait_seconds", 1), 40), (histogram("bot_bottle_reconcile_wait_seconds", 60), 5)],
    ),
    "BottleConfigDrift": (
        {},
        [({pod("bot_bottle_config_drift", "a"): "1x60", pod("bot_bottle_config_drift", "b"): "0x60"}, 11)],
        [({pod("bot_bottle_config_drift", "a"): "1x5 0x55"}, 11), ({pod("bot_bottle_config_drift", "a"): "1x60"}, 9)],
    ),
    "BottleEnforcementSlow": (
        {},
        [(histogram("bot_bottle_enforcement_seconds", 60), 30)],
        [(histogram("bot_bottle_enforcement_seconds", 10), 40)],
    ),
    "BottleQuestionsWait": (
        {},
        [({pod("bot_bottle_oldest_pending_seconds", "a"): "14401x60"}, 1)],
        [({pod("bot_bottle_oldest_pending_seconds", "a"): "14400x60"}, 30)],
    ),
    "BottleObjectsUnreadable": (
        {},
        [({pod("bot_bottle_unreadable_objects", "a"): "1x60"}, 11)],
        [({pod("bot_bottle_unreadable_objects", "a"): "0x60"}, 30)],
    ),
    "BottleNoticesLost": (
        {},
        [({pod("bot_bottle_notices_total", "a", outcome="failed"): "0x10 1x50"}, 15)],
        [({pod("bot_bottle_notices_total", "a", outcome="sent"): "0+5x60"}, 30)],
    ),
}


def test(name, series, minute, fires):
    alert = ALERTS[name]
    expected = {
        "exp_labels": {"severity": alert["severity"], **CASES[name][0]},
        "exp_annotations": {"summary": alert["summary"], "runbook": alert["runbook"]},
    }
    return {
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "alert_rule_test": [{"eval_time": f"{minute}m", "alertname": name, "exp_alerts": [expected] if fires else []}],
    }


assert len(ALERTS) == TEXT.count("- alert: "), "an alert was not understood"
untried = set(ALERTS) ^ set(CASES)
if untried:
    sys.exit(f"alerts without a test, or tests without an alert: {', '.join(sorted(untried))}")
tests = []
for name, (_, firing, silent) in CASES.items():
    assert firing and silent
    tests += [test(name, series, minute, True) for series, minute in firing]
    tests += [test(name, series, minute, False) for series, minute in silent]
print(json.dumps({"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": tests}, indent=1))
