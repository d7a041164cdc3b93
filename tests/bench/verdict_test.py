#!/usr/bin/env python3
"""Run by Bazel at the root of the tree: python3 there does not look for modules by itself."""

import os
import sys
import unittest

sys.path.insert(0, os.getcwd())

from bench.peers.verdict import Answer, Cell, Figure, counts, is_ahead, last_line, median, parse


def figure(ns, most_to_least=1.0):
    return Figure((ns,), (most_to_least,))


class AnswerTest(unittest.TestCase):
    def test_reads_what_each_thread_has_done(self):
        answer = parse("ops 10 2 100 400", "ops wall_ns=4000 operations=10,30")
        self.assertEqual(answer, Answer(wall_ns=4000, operations=(10, 30)))

    def test_reads_how_late_each_time_out_was(self):
        self.assertEqual(parse("timeout 2 50 2", "timeout late_ns=70,-5").late_ns, (70, -5))

    def test_refuses_the_answer_to_another_request(self):
        for line in ("error cannot do: ops 10 2", "hold wall_ns=1 operations=1 held_ns=1"):
            with self.assertRaises(ValueError):
                parse("ops 10 2 100 400", line)

    def test_counts_the_time_of_as_many_cores_as_threads_can_use(self):
        self.assertEqual(Answer(wall_ns=4000, operations=(40,)).ns_of_one_core(cores=2), 100)
        self.assertEqual(Answer(wall_ns=4000, operations=(10, 30)).ns_of_one_core(cores=2), 200)
        self.assertEqual(Answer(wall_ns=4000, operations=(10, 10, 10, 10)).ns_of_one_core(cores=2), 200)

    def test_compares_the_luckiest_thread_with_the_unluckiest(self):
        self.assertEqual(Answer(operations=(10, 30, 20)).most_to_least(), 3)
        self.assertEqual(Answer(operations=(0, 1)).most_to_least(), float("inf"))

    def test_takes_places_for_busy_while_they_are_held(self):
        self.assertEqual(Answer(wall_ns=100, held_ns=150).busy_percent(places=2), 75)

    def test_counts_leases_a_second(self):
        self.assertEqual(Answer(wall_ns=500_000_000, operations=(1, 2)).per_second(), 6)


class MedianTest(unittest.TestCase):
    def test_takes_the_middle_value_or_the_mean_of_the_two_middle_ones(self):
        self.assertEqual(median([7]), 7)
        self.assertEqual(median([9, 1, 5]), 5)
        self.assertEqual(median([9, 1, 5, 4]), 4.5)


class CellTest(unittest.TestCase):
    def test_is_short_of_places_when_threads_outnumber_them(self):
        self.assertFalse(Cell(places=10, threads=8).short)
        self.assertFalse(Cell(places=10, threads=10).short)
        self.assertTrue(Cell(places=10, threads=32).short)

    def test_names_itself(self):
        self.assertEqual(str(Cell(10, 1)), "10 places, 1 thread")
        self.assertEqual(str(Cell(2, 8)), "2 places, 8 threads")


class AheadTest(unittest.TestCase):
    enough = Cell(places=10, threads=8)
    short = Cell(places=2, threads=8)

    def test_is_ahead_when_at_most_every_peer(self):
        self.assertTrue(is_ahead(self.enough, figure(20), [figure(20), figure(300)]))
        self.assertFalse(is_ahead(self.enough, figure(20), [figure(19.9), figure(300)]))

    def test_compares_medians_of_rounds(self):
        ours = Figure((20, 21, 900), (1, 1, 1))
        self.assertTrue(is_ahead(self.enough, ours, [Figure((1, 22, 23), (1, 1, 1))]))

    def test_leaves_out_unfair_peers_where_places_are_short(self):
        self.assertTrue(is_ahead(self.short, figure(20), [figure(10, most_to_least=1.5)]))
        self.assertFalse(is_ahead(self.short, figure(20), [figure(10, most_to_least=1.49)]))

    def test_leaves_out_nobody_where_there_are_places_for_all(self):
        self.assertTrue(counts(self.enough, figure(10, most_to_least=9)))
        self.assertFalse(is_ahead(self.enough, figure(20), [figure(10, most_to_least=9)]))

    def test_takes_a_pool_for_fair_by_the_median_of_its_rounds(self):
        self.assertTrue(Figure((1, 1, 1), (1.2, 1.4, float("inf"))).fair)
        self.assertFalse(Figure((1, 1, 1), (1.2, 1.6, 1.7)).fair)


class LastLineTest(unittest.TestCase):
    def test_says_it_in_the_words_that_scripts_look_for(self):
        self.assertEqual(last_line(7, 9, 20.94, 9.5),
                         "acquire: ahead in 7 of 9 cells, uncontended 20.9 ns, floor 9.5 ns")


if __name__ == "__main__":
    unittest.main()
