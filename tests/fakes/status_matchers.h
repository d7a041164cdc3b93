// GoogleTest matchers for absl::Status, absl::StatusOr and grpc::Status alike.
//
//   EXPECT_THAT(pool->Drain(deadline), IsOk());
//   EXPECT_THAT(stub->Unary(&context, request, &reply), StatusIs(grpc::StatusCode::UNAVAILABLE, HasSubstr("drain")));
#ifndef CHANPOOL_TESTS_FAKES_STATUS_MATCHERS_H_
#define CHANPOOL_TESTS_FAKES_STATUS_MATCHERS_H_

#include <gmock/gmock.h>
#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace chanpool::testing {
namespace internal {

// What the three have in common. Codes are the same numbers in gRPC and Abseil.
struct CodeAndMessage {
  int code;
  std::string message;
};

inline CodeAndMessage Read(const absl::Status& status) {
  return {static_cast<int>(status.code()), std::string(status.message())};
}
inline CodeAndMessage Read(const grpc::Status& status) {
  return {static_cast<int>(status.error_code()), status.error_message()};
}
template <typename T>
CodeAndMessage Read(const absl::StatusOr<T>& result) {
  return Read(result.status());
}

}  // namespace internal

MATCHER(IsOk, negation ? "is not OK" : "is OK") {
  const internal::CodeAndMessage read = internal::Read(arg);
  *result_listener << "which is " << absl::StatusCodeToString(static_cast<absl::StatusCode>(read.code)) << ": "
                   << read.message;
  return read.code == 0;
}

// `code` is an absl::StatusCode or a grpc::StatusCode.
MATCHER_P2(StatusIs, code, message,
           "is " + absl::StatusCodeToString(static_cast<absl::StatusCode>(code)) + " with a message that " +
               ::testing::DescribeMatcher<std::string>(message)) {
  const internal::CodeAndMessage read = internal::Read(arg);
  *result_listener << "which is " << absl::StatusCodeToString(static_cast<absl::StatusCode>(read.code)) << ": "
                   << read.message;
  return read.code == static_cast<int>(code) && ::testing::Value(read.message, message);
}

template <typename Code>
auto StatusIs(Code code) {
  return StatusIs(code, ::testing::_);
}

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_FAKES_STATUS_MATCHERS_H_
