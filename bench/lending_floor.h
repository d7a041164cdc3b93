// The least that lending can cost, with which every pool's figure is compared.
#ifndef CHANPOOL_BENCH_LENDING_FLOOR_H_
#define CHANPOOL_BENCH_LENDING_FLOOR_H_

#include "bench/turn.h"

namespace chanpool::bench {

// Nothing that counts who uses what can be cheaper: a compare-and-swap up, a subtraction down, in a line of its own for
// each of up to 16 threads.
Batch LendingFloor();

}  // namespace chanpool::bench
#endif  // CHANPOOL_BENCH_LENDING_FLOOR_H_
