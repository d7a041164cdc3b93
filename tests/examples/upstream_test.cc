// The demo's server as benchmarks ask for it: large answers, slow ones, TLS.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "examples/demo/demo.grpc.pb.h"
#include "examples/demo/upstream_process.h"
#include "examples/processes/program.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/status_matchers.h"
#include "tests/fakes/test_certificates.h"

namespace chanpool::demo {
namespace {

using ::chanpool::testing::DeadlineIn;
using ::chanpool::testing::In;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::kLimit;
using ::chanpool::testing::StatusIs;

std::unique_ptr<UpstreamProcess> Serve(const std::vector<std::string>& flags = {}) {
  return UpstreamProcess::Start(PathBeside("../../examples/demo/upstream"), /*max_streams=*/100, flags).value();
}

grpc::Status Ask(const std::shared_ptr<grpc::Channel>& channel, const GetOrderRequest& request, Order* order,
                 absl::Duration limit = kLimit) {
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(limit));
  return Orders::NewStub(channel)->GetOrder(&context, request, order);
}

std::shared_ptr<grpc::Channel> To(const UpstreamProcess& upstream) {
  return grpc::CreateChannel(upstream.target(), grpc::InsecureChannelCredentials());
}

TEST(UpstreamTest, AnswersWithAsManyBytesAsAreAskedFor) {
  const auto upstream = Serve();
  GetOrderRequest request;
  request.set_response_bytes(1 << 20);
  Order order;
  ASSERT_THAT(Ask(To(*upstream), request, &order), IsOk());
  EXPECT_EQ(order.notes().size(), 1 << 20);
}

TEST(UpstreamTest, RefusesMoreBytesThanAMessageMayHave) {
  const auto upstream = Serve();
  GetOrderRequest request;
  request.set_response_bytes(4'000'001);
  Order order;
  EXPECT_THAT(Ask(To(*upstream), request, &order),
              StatusIs(grpc::StatusCode::INVALID_ARGUMENT, "response_bytes 4000001: set it to 0 to 4000000"));
}

TEST(UpstreamTest, TakesAsManyTimesTheDelayAsItIsSlow) {
  const auto upstream = Serve({"--slowness=1000"});
  GetOrderRequest request;
  Order order;
  EXPECT_THAT(Ask(To(*upstream), request, &order), IsOk());
  request.set_delay_ms(100);
  EXPECT_THAT(Ask(To(*upstream), request, &order, absl::Milliseconds(300)),
              StatusIs(grpc::StatusCode::DEADLINE_EXCEEDED));
}

TEST(UpstreamTest, ServesTlsWithTheCertificateThatItIsGiven) {
  const testing::TestAuthority authority("root", In(absl::Hours(1)));
  const testing::TestPair pair = authority.Issue("localhost", In(-absl::Hours(1)), In(absl::Hours(1)));
  const TemporaryFolder folder;
  const auto upstream = Serve({absl::StrCat("--certificate=", folder.Write("server.pem", pair.certificate)),
                               absl::StrCat("--key=", folder.Write("server.key", pair.key))});
  grpc::SslCredentialsOptions trusted;
  trusted.pem_root_certs = authority.certificate();
  grpc::ChannelArguments arguments;
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  Order order;
  EXPECT_THAT(Ask(grpc::CreateCustomChannel(upstream->target(), grpc::SslCredentials(trusted), arguments),
                  GetOrderRequest(), &order),
              IsOk());
}

}  // namespace
}  // namespace chanpool::demo
