#!/usr/bin/env python3
"""Run by Bazel at the root of the tree: python3 there does not look for modules by itself."""

import glob
import os
import sys
import unittest

sys.path.insert(0, os.getcwd())

from scripts import plant
from tests.planted import checks


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


HUNK = "=== a.h\n\n@@ kOne: first\n before\n-  if (x) y();\n+  if (x && !PLANTED(kOne)) y();\n"


class PlantTest(unittest.TestCase):
    def test_every_bug_has_its_place_in_the_engine_as_it_is(self):
        files = {path: text_of(path) for path in glob.glob("pool/core/*")}
        bugs = plant.read(text_of("tests/planted/bugs.diff"))
        plant.plant(bugs, files)
        self.assertGreaterEqual(len(bugs), 20)
        planted = "".join(text for path, text in files.items() if path != plant.HEADER)
        for bug in bugs:
            self.assertEqual(planted.count(f"PLANTED({bug.name})"), 1, bug.name)
            self.assertTrue(bug.what, bug.name)

    def test_what_the_checks_are_said_to_see_and_to_find_is_there(self):
        bugs = plant.read(text_of("tests/planted/bugs.diff"))
        for check in checks.CHECKS:
            for path in check.sees or []:
                self.assertIn(path, [bug.path for bug in bugs])
        for name, test in checks.ALONE.items():
            self.assertIn(name, [bug.name for bug in bugs])
            suite, case = test.split(".")
            sources = [f"{check.target}.cc" for check in checks.CHECKS]
            self.assertTrue(any(f"({suite}, {case})" in text_of(path) for path in sources if os.path.exists(path)), test)

    def test_lines_that_have_changed_are_shown(self):
        for text in ("before\n  if (z) y();\n", "before\n  if (x) y();\n" * 2):
            with self.assertRaisesRegex(plant.NotPlantable, r"(?s)a\.h has these lines . times.*if \(x\) y"):
                plant.plant(plant.read(HUNK), {"a.h": text, plant.BUILD: ""})

    def test_a_bug_that_is_not_planted_or_twice_is_refused(self):
        with self.assertRaisesRegex(plant.NotPlantable, "kOne is announced"):
            plant.read(HUNK.replace("PLANTED(kOne)", "PLANTED(kTwo)"))
        with self.assertRaisesRegex(plant.NotPlantable, "kOne has two places"):
            plant.read(HUNK + "\n" + HUNK)


if __name__ == "__main__":
    unittest.main()
