// CHANPOOL_CHECK(condition): stops the process when the program itself is wrong.
//
//   CHANPOOL_CHECK(word.leases() > 0);  // "file:line: check failed: word.leases() > 0"
//
// For programmer errors only (a place given back twice, an impossible state). What the outer world does
// wrong becomes an absl::Status, never a check. Abseil 20220623 has no public CHECK.
#ifndef CHANPOOL_POOL_CORE_CHECK_H_
#define CHANPOOL_POOL_CORE_CHECK_H_

#include <cstdio>
#include <cstdlib>

#define CHANPOOL_CHECK(condition)                                                        \
  do {                                                                                   \
    if (__builtin_expect(!(condition), 0)) {                                             \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

#endif  // CHANPOOL_POOL_CORE_CHECK_H_
