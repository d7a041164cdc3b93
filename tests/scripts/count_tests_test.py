#!/usr/bin/env python3
"""What `make test` sums up: run as scripts/run_tests.sh runs it, over files as Bazel writes them."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

# As GoogleTest and Bazel write them.
PASSES = '<testcase name="Passes" status="run" result="completed"/>'
FAILS = '<testcase name="Fails" status="run" result="completed"><failure message="1 != 2"/></testcase>'
ENDS_IN_AN_ERROR = '<testcase name="//a:shell"><error message="exited with error code 1"/></testcase>'
SKIPPED = '<testcase name="Skipped" status="run" result="skipped"><skipped message=""/></testcase>'
DISABLED = '<testcase name="DISABLED_Later" status="notrun" result="suppressed"/>'


def built(label, success=True):
    return {"id": {"targetCompleted": {"label": label}}, "completed": {"success": True} if success else {}}


def summary(label, status):
    return {"id": {"testSummary": {"label": label}}, "testSummary": {"overallStatus": status}}


class CountTestsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="count tests ")  # In a URI the space is %20.
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, text):
        file = self.folder / f"{len(list(self.folder.iterdir()))}.xml"
        file.write_text(text, encoding="utf-8")
        return file

    def ran(self, label, *cases, run=1, shard=1, attempt=1, xml=None):
        """One attempt at a test, and the test.xml that it left."""
        if xml is None:
            xml = f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>"
        log = {"name": "test.log", "uri": "file:///nowhere"}
        outputs = [log, {"name": "test.xml", "uri": self.write(xml).as_uri()}]
        part = {"label": label, "run": run, "shard": shard, "attempt": attempt}
        return {"id": {"testResult": part}, "testResult": {"testActionOutput": outputs}}

    def assertCount(self, passed, failed, *events, exit_code=0):
        lines = "".join(json.dumps(event) + "\n" for event in ({"id": {"started": {}}}, *events))
        command = [sys.executable, "scripts/count_tests.py", str(self.write(lines)), str(exit_code)]
        counted = subprocess.run(command, stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout
        self.assertEqual(counted, f"{passed} {failed}\n")

    def test_counts_cases_not_targets(self):
        a = built("//a"), self.ran("//a", PASSES, PASSES), summary("//a", "PASSED")
        b = built("//b"), self.ran("//b", PASSES), summary("//b", "PASSED")
        self.assertCount(3, 0, *a, *b)

    def test_counts_the_failures_beside_what_passed(self):
        ran = self.ran("//a", PASSES, FAILS, ENDS_IN_AN_ERROR)
        self.assertCount(1, 2, built("//a"), ran, summary("//a", "FAILED"), exit_code=3)

    def test_counts_what_did_not_run_as_neither(self):
        self.assertCount(1, 0, built("//a"), self.ran("//a", PASSES, SKIPPED, DISABLED), summary("//a", "PASSED"))

    def test_sums_shards_and_runs(self):
        parts = [self.ran("//a", PASSES, run=run, shard=shard) for run in (1, 2) for shard in (1, 2)]
        self.assertCount(4, 0, built("//a"), *parts, summary("//a", "PASSED"))

    def test_counts_the_last_attempt_alone(self):
        attempts = self.ran("//a", PASSES, FAILS, attempt=1), self.ran("//a", PASSES, PASSES, attempt=2)
        self.assertCount(2, 0, built("//a"), *attempts, summary("//a", "FLAKY"))

    # Beside another failure in each: one alone would be counted for Bazel's exit code too.

    def test_a_target_that_fails_without_a_failing_case_is_a_failure_and_nothing_passed(self):
        fails = built("//a"), self.ran("//a", FAILS), summary("//a", "FAILED")
        for xml in (None, "", "<testsuites><testsuite>"):
            with self.subTest(xml=xml):
                crashes = built("//b"), self.ran("//b", PASSES, xml=xml), summary("//b", "TIMEOUT")
                self.assertCount(0, 2, *fails, *crashes, exit_code=3)

    def test_a_test_that_left_no_xml_is_a_failure(self):
        fails = built("//a"), self.ran("//a", FAILS), summary("//a", "FAILED")
        self.assertCount(0, 2, *fails, built("//b"), summary("//b", "FAILED"), exit_code=3)

    def test_a_target_that_does_not_build_is_one_failure(self):
        fails = built("//a"), self.ran("//a", FAILS), summary("//a", "FAILED")
        self.assertCount(0, 2, *fails, built("//b", success=False), exit_code=1)
        # A test among them has a summary too.
        broken = built("//b", success=False), summary("//b", "FAILED_TO_BUILD")
        self.assertCount(0, 2, *fails, *broken, exit_code=1)

    def test_a_run_that_ended_before_its_first_target_is_a_failure(self):
        self.assertCount(0, 1, exit_code=2)

    def test_a_run_without_tests_is_none(self):
        self.assertCount(0, 0, built("//a"), exit_code=4)


if __name__ == "__main__":
    unittest.main()
