// Makes a failing script short: drops chunks of its steps, then single ones, then makes what they drew small.
//
//   Script shortest = Shrink(script, [](const Script& s) { return !Simulation(s).Replay().empty(); }, may_go_on);
//
// What is left fails, and fails no longer without any one of its steps (if there was time enough).
#ifndef CHANPOOL_TESTS_SIM_SHRINK_H_
#define CHANPOOL_TESTS_SIM_SHRINK_H_

#include <functional>

#include "tests/sim/script.h"

namespace chanpool {

// `still_fails` is true of `failing`. Ends with the shortest so far as soon as `may_go_on` is false.
Script Shrink(Script failing, const std::function<bool(const Script&)>& still_fails,
              const std::function<bool()>& may_go_on);

}  // namespace chanpool
#endif  // CHANPOOL_TESTS_SIM_SHRINK_H_
