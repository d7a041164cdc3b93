// Certificates made when a test runs: an authority of its own, and what it issues.
//
//   const TestAuthority authority("orders root", In(absl::Hours(24)));
//   const TestPair server = authority.Issue("localhost", In(-absl::Hours(1)), In(absl::Hours(1)));
#ifndef CHANPOOL_TESTS_FAKES_TEST_CERTIFICATES_H_
#define CHANPOOL_TESTS_FAKES_TEST_CERTIFICATES_H_

#include <string>

#include "absl/time/time.h"

namespace chanpool::testing {

// PEM. A plain value.
struct TestPair {
  std::string certificate;
  std::string key;
};

// Immutable.
class TestAuthority {
 public:
  // Its certificate holds from a day ago until `not_after`.
  explicit TestAuthority(const std::string& name, absl::Time not_after);

  // PEM.
  const std::string& certificate() const { return own_.certificate; }
  // For the host `name`; holds between these times of the wall.
  TestPair Issue(const std::string& name, absl::Time not_before, absl::Time not_after) const;

 private:
  const TestPair own_;
};

// `pair`'s key under a password.
std::string Encrypted(const TestPair& pair);

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_FAKES_TEST_CERTIFICATES_H_
