#include "server/attach/attach_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "tests/fakes/status_matchers.h"

namespace chanpool::attach {
namespace {

using chanpool::testing::IsOk;
using chanpool::testing::StatusIs;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kNonce[] = "8f14e45fceea167a";

absl::string_view WithoutEnd(const std::string& line) { return absl::string_view(line).substr(0, line.size() - 1); }

class AttachLineTest : public ::testing::Test {
 protected:
  AttachLineTest() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_), 0); }
  ~AttachLineTest() override {
    for (const int end : ends_) close(end);
  }
  int ends_[2];
};

TEST_F(AttachLineTest, ReadsTheHelloThatItWrites) {
  const absl::StatusOr<Hello> hello = ParseHello(WithoutEnd(HelloLine({"shop", "1.2.3-rc1", kNonce})));
  ASSERT_THAT(hello, IsOk());
  EXPECT_EQ(hello->name, "shop");
  EXPECT_EQ(hello->version, "1.2.3-rc1");
  EXPECT_EQ(hello->nonce, kNonce);
}

TEST_F(AttachLineTest, PassesOverWhatALaterVersionAdds) {
  EXPECT_THAT(ParseHello("chanpool-attach/1 name=shop color=red version=2 nonce=8f14e45fceea167a"), IsOk());
}

TEST_F(AttachLineTest, SaysWhatIsWrongWithAHello) {
  EXPECT_THAT(ParseHello("PRI * HTTP/2.0"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("does not begin")));
  EXPECT_THAT(ParseHello("chanpool-attach/1 name=Shop version=1 nonce=8f14e45fceea167a"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no name")));
  EXPECT_THAT(ParseHello("chanpool-attach/1 name=../x version=1 nonce=8f14e45fceea167a"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no name")));
  EXPECT_THAT(ParseHello("chanpool-attach/1 name=shop nonce=8f14e45fceea167a"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no version")));
  EXPECT_THAT(ParseHello("chanpool-attach/1 name=shop version=1 nonce=short"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no nonce")));
}

TEST_F(AttachLineTest, ShowsNoControlCharactersOfThePeer) {
  EXPECT_THAT(ParseHello("\x1b[31mred\r").status().message(), Not(HasSubstr("\x1b")));
}

TEST_F(AttachLineTest, ReadsTheAnswersThatItWrites) {
  EXPECT_EQ(ParseAnswer(WithoutEnd(AttachedLine("shop-2"))).value(), "shop-2");
  EXPECT_THAT(ParseAnswer(WithoutEnd(RefusedLine("too\nmany"))),
              StatusIs(absl::StatusCode::kPermissionDenied, "too?many"));
  EXPECT_THAT(ParseAnswer("HTTP/1.1 400 Bad Request"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("HTTP/1.1 400")));
}

TEST_F(AttachLineTest, CutsARefusalToALine) {
  const std::string line = RefusedLine(std::string(5'000, 'x'));
  EXPECT_EQ(line.size(), kMaxLine);
  EXPECT_THAT(line, EndsWith("x\n"));
}

TEST_F(AttachLineTest, LeavesWhatFollowsTheLineInTheSocket) {
  ASSERT_THAT(WriteLine(ends_[0], "one\nPRI * HTTP/2.0"), IsOk());
  EXPECT_EQ(**ReadLine(ends_[1]), "one");
  char rest[64];
  EXPECT_EQ(recv(ends_[1], rest, sizeof(rest), MSG_DONTWAIT), 14);
}

TEST_F(AttachLineTest, WaitsForALineAndNotForItsSecondHalf) {
  ASSERT_THAT(ReadLine(ends_[1]), IsOk());
  EXPECT_FALSE(ReadLine(ends_[1])->has_value());
  // Whoever waits by poll() would be told all the while that there is something to read.
  ASSERT_THAT(WriteLine(ends_[0], "hal"), IsOk());
  EXPECT_THAT(ReadLine(ends_[1]), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(AttachLineTest, RefusesALineWithoutAnEnd) {
  ASSERT_THAT(WriteLine(ends_[0], std::string(kMaxLine, 'x')), IsOk());
  EXPECT_THAT(ReadLine(ends_[1]), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(AttachLineTest, SaysThatThePeerIsGone) {
  shutdown(ends_[0], SHUT_RDWR);
  EXPECT_THAT(ReadLine(ends_[1]), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(WriteLine(ends_[1], "late\n"), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace chanpool::attach
