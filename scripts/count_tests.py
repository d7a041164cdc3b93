#!/usr/bin/env python3
"""Counts the test cases of one `bazel test` run: count_tests.py EVENTS.json BAZEL_EXIT_CODE prints "PASSED FAILED".

EVENTS.json is what --build_event_json_file wrote. Cases are those of each test.xml (GoogleTest lists its own, Bazel
writes one case for any other test); skipped and disabled ones count as neither. Whatever did not do what was asked is
at least one failure: a failing target without a failing case (a crash, a time-out), a target that does not build, a
run that ended before its first target.
"""

import json
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree

NO_TESTS_FOUND = 4  # Bazel's exit code when all was built and there was no test to run.


def count_cases(xml_path):
    """Returns (passed, failed) of one test.xml; nothing if it cannot be read, as after a crash."""
    passed = failed = 0
    try:
        cases = list(ElementTree.parse(xml_path).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return 0, 0
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.get("status") != "notrun" and case.get("result") != "skipped":
            passed += 1
    return passed, failed


def xml_of(result):
    for output in result.get("testActionOutput", []):
        if output["name"] == "test.xml" and output.get("uri", "").startswith("file://"):
            return urllib.parse.unquote(urllib.parse.urlparse(output["uri"]).path)
    return None


def count(events):
    """Returns (passed, failed) of all targets."""
    broken = set()  # Targets that did not build.
    status = {}  # Test target -> its overall status.
    xmls = {}  # Test target -> {(run, shard): test.xml of its last attempt}.
    for event in events:
        kind, fields = next(iter(event["id"].items()), ("", {}))
        label = fields.get("label") if isinstance(fields, dict) else None
        if kind == "testSummary":
            status[label] = event.get("testSummary", {}).get("overallStatus", "NO_STATUS")
        elif kind == "testResult":
            part = (fields.get("run"), fields.get("shard"))
            xmls.setdefault(label, {})[part] = xml_of(event.get("testResult", {}))
        elif kind == "targetCompleted" and not event.get("completed", {}).get("success"):
            broken.add(label)

    passed = 0
    failed = len(broken - set(status))
    for label, overall in status.items():
        cases = [count_cases(xml) for xml in xmls.get(label, {}).values() if xml]
        good = sum(case[0] for case in cases)
        bad = sum(case[1] for case in cases)
        if overall in ("PASSED", "FLAKY"):
            passed += good
        else:
            passed += good if bad else 0  # Without a failing case it is not known how far the rest got.
            failed += max(bad, 1)
    return passed, failed


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        events = [json.loads(line) for line in file if line.strip()]
    exit_code = int(sys.argv[2])
    passed, failed = count(events)
    if exit_code not in (0, NO_TESTS_FOUND):
        failed = max(failed, 1)
    print(passed, failed)


if __name__ == "__main__":
    main()
