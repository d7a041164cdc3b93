// The library below the tool: calls with a deadline, streams that end, errors with their details.
#include "client/admin/admin_client.h"

#include <memory>
#include <string>

#include "client/admin/endpoint.h"
#include "client/admin/error_details.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_pool_admin.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool::admin {
namespace {

using ::chanpool::testing::ErrorWith;
using ::chanpool::testing::FakePoolAdmin;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::StatusIs;
using ::testing::HasSubstr;

constexpr absl::Duration kSoon = absl::Seconds(20);

std::unique_ptr<AdminClient> Connected(const std::string& endpoint) { return *AdminClient::Connect(endpoint); }

TEST(AdminClientTest, CallsOverBothTransports) {
  FakePoolAdmin server;
  EXPECT_THAT(Connected(server.endpoint())->GetInstance({}, kSoon), IsOk());
  EXPECT_THAT(Connected(server.tcp_endpoint())->GetInstance({}, kSoon), IsOk());
}

TEST(AdminClientTest, ReadsTheAnswersOfALaterServer) {
  FakePoolAdmin server;
  v1::Pool* const pool = server.pool("pools/orders");
  // A field and a state that this version does not know.
  pool->GetReflection()->MutableUnknownFields(pool)->AddLengthDelimited(2000, "news");
  pool->set_health(static_cast<v1::Health>(99));
  server.Meet();
  v1::GetPoolRequest request;
  request.set_name("pools/orders");
  const absl::StatusOr<v1::GetPoolResponse> response = Connected(server.endpoint())->GetPool(request, kSoon);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->pool().name(), "pools/orders");
}

TEST(AdminClientTest, KeepsWhatTheServerSaysAboutAnError) {
  FakePoolAdmin server;
  v1::GetPoolRequest request;
  request.set_name("pools/order");
  const absl::StatusOr<v1::GetPoolResponse> got = Connected(server.endpoint())->GetPool(request, kSoon);
  EXPECT_THAT(got, StatusIs(absl::StatusCode::kNotFound, "there is no pool \"order\""));
  EXPECT_EQ(DetailsOf(got.status()).reason, "POOL_NOT_FOUND");
  EXPECT_EQ(DetailsOf(got.status()).facts.at("closest"), "orders");
}

TEST(AdminClientTest, NamesTheEndpointThatDoesNotAnswerInTime) {
  FakePoolAdmin server;
  server.keep_open = true;
  server.watch.clear();
  server.Meet();
  const auto client = Connected(server.endpoint());
  const auto stream = client->WatchOperation({}, absl::Milliseconds(1));
  v1::WatchOperationResponse response;
  ASSERT_EQ(stream->Read(&response, kSoon), ResponseStream<v1::WatchOperationResponse>::Next::kEnd);
  EXPECT_THAT(stream->status(), StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr(server.endpoint())));
}

TEST(AdminClientTest, AStreamEndsWithTheServersLastWord) {
  using Next = ResponseStream<v1::WatchStatsResponse>::Next;
  FakePoolAdmin server;
  const auto client = Connected(server.endpoint());
  const auto stream = client->WatchStats({}, kSoon);
  v1::WatchStatsResponse tick;
  EXPECT_EQ(stream->Read(&tick, kSoon), Next::kMessage);
  EXPECT_EQ(tick.tick_seq(), 1u);
  EXPECT_EQ(stream->Read(&tick, kSoon), Next::kMessage);
  EXPECT_EQ(stream->Read(&tick, kSoon), Next::kEnd);
  EXPECT_EQ(stream->Read(&tick, kSoon), Next::kEnd);  // And stays ended.
  EXPECT_THAT(stream->status(), IsOk());
}

TEST(AdminClientTest, AMessageThatCannotBeReadEndsTheStream) {
  using Next = ResponseStream<v1::WatchStatsResponse>::Next;
  FakePoolAdmin server;
  server.ticks[0].mutable_stats(0)->set_name("\xff");
  server.Meet();
  const auto client = Connected(server.endpoint());
  const auto stream = client->WatchStats({}, kSoon);
  v1::WatchStatsResponse tick;
  Next next = Next::kNothingYet;
  while (next == Next::kNothingYet) next = stream->Read(&tick, kSoon);
  EXPECT_EQ(next, Next::kEnd);
  EXPECT_THAT(stream->status(), StatusIs(absl::StatusCode::kInternal, HasSubstr("cannot be read")));
}

TEST(AdminClientTest, AStreamCanBeWaitedForInParts) {
  using Next = ResponseStream<v1::WatchStatsResponse>::Next;
  FakePoolAdmin server;
  server.keep_open = true;
  server.ticks.clear();
  server.Meet();
  const auto client = Connected(server.endpoint());
  const auto stream = client->WatchStats({}, absl::InfiniteDuration());
  v1::WatchStatsResponse tick;
  EXPECT_EQ(stream->Read(&tick, absl::ZeroDuration()), Next::kNothingYet);
  EXPECT_EQ(stream->Read(&tick, absl::Milliseconds(1)), Next::kNothingYet);
}  // Destroying it ends the call; the server would wait for that.

TEST(AdminClientTest, AStreamOutlivesItsClient) {
  FakePoolAdmin server;
  auto client = Connected(server.endpoint());
  const auto stream = client->WatchStats({}, kSoon);
  client.reset();
  v1::WatchStatsResponse tick;
  EXPECT_EQ(stream->Read(&tick, kSoon), ResponseStream<v1::WatchStatsResponse>::Next::kMessage);
}

TEST(EndpointTest, NoSocketListsThePlacesAndWhatIsWrongWithEach) {
  FakePoolAdmin server;
  EXPECT_EQ(*FindEndpoint({"/nowhere/a.sock", server.socket()}), server.endpoint());
  const absl::StatusOr<std::string> none = FindEndpoint({"/nowhere/a.sock", "/etc/hostname", std::string(200, 'x')});
  EXPECT_THAT(none, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("/nowhere/a.sock: not there")));
  EXPECT_THAT(none, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("/etc/hostname: ")));
  EXPECT_THAT(none, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("longer than a socket's path")));
}

TEST(EndpointTest, UnderstandsPathsAndPorts) {
  EXPECT_EQ(*TargetOf("unix:/run/a.sock"), "unix:/run/a.sock");
  EXPECT_EQ(*TargetOf("unix:///run/a.sock"), "unix:/run/a.sock");
  EXPECT_EQ(*TargetOf("localhost:7400"), "dns:///localhost:7400");
  EXPECT_EQ(*TargetOf("[::1]:7400"), "dns:///[::1]:7400");
  EXPECT_EQ(*TargetOf("tcp:127.0.0.1:7400"), "dns:///127.0.0.1:7400");
  EXPECT_EQ(*TargetOf("tcp:[::1]:7400"), "dns:///[::1]:7400");
  EXPECT_EQ(*TargetOf("tcp:7400"), "dns:///tcp:7400");  // A host of that name.
  for (const char* wrong : {"", "unix:", "/run/a.sock", "localhost", ":7400", "localhost:0", "localhost:70000",
                            "::1:7400", "http://localhost:7400"}) {
    EXPECT_THAT(TargetOf(wrong), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("host:port"))) << wrong;
  }
}

}  // namespace
}  // namespace chanpool::admin
