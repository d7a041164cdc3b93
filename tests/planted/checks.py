"""What looks for planted bugs."""

import collections

# `seconds` is the most that it may take. `sees`: the files whose bugs it can find, None for all. The model and the words
# know the slot's word alone: they are not asked about bugs elsewhere.
Check = collections.namedtuple("Check", "name target arguments seconds sees")
WORD = "pool/core/slot_word.h"
CHECKS = [
    Check("words", "tests/core/slot_word_test", [], 10, [WORD]),
    Check("model", "tests/core/slot_interleavings_test", [], 120, [WORD]),
    Check("table", "tests/core/slot_table_test", [], 10, [WORD, "pool/core/slot_table.h", "pool/core/slot_table.cc"]),
    Check("events", "tests/core/event_feed_test", [], 10, ["pool/core/event_feed.cc"]),
    Check("state", "tests/core/pool_state_test", [], 20, ["pool/core/pool_state.cc", "pool/core/endpoint_set.cc"]),
    Check("diversity", "tests/core/diversity_test", [], 20, ["pool/core/diversity.cc"]),
    Check("endpoints", "tests/core/endpoint_set_test", [], 20, ["pool/core/endpoint_set.cc"]),
    Check("pool", "tests/core/pool_test", [], 10, None),
    Check("leases", "tests/core/leases_test", [], 10, None),
    Check("races", "tests/core/pool_races_test", [], 10, None),
    Check("sim", "tests/sim/explore", ["--fixed-first", "--steps=20000", "--seconds=8", "--shrink-seconds=0",
                                       "--max-life-seconds=20"], 60, None),
    Check("stress", "tests/sim/pool_stress_test", [], 20, None),
]

# The tests that were written because nothing found their bug.
ALONE = {
    "kDestroysUnderTheLock": "PoolRacesTest.NothingIsLetGoUnderTheLock",
    "kQueuesAtOnce": "PoolRacesTest.AMomentsShortageDoesNotMakeEveryoneWaitInTurnForEver",
    "kReadsTheHintTwice": "SlotTableTest.TheSlotThatGotTheLeaseIsTheOneThatIsLentWhileTheOnlyListedOneChanges",
    "kTimeOutLosesLease": "PoolRacesTest.ATimeOutThatHasBeenGrantedAPlaceReturnsIt",
}
