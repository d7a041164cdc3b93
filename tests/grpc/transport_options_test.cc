// That TransportOptions do what their names say: to messages, to headers, and to what a connection says of itself.
#include "pool/grpc/transport_options.h"

#include <gmock/gmock.h>
#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pool/core/mutex.h"
#include "pool/grpc/channel_pool.h"
#include "tests/fakes/echo.grpc.pb.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/frame_peer.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool {
namespace {

using ::chanpool::testing::DeadlineIn;
using ::chanpool::testing::Echo;
using ::chanpool::testing::EchoReply;
using ::chanpool::testing::EchoRequest;
using ::chanpool::testing::Eventually;
using ::chanpool::testing::FramePeer;
using ::chanpool::testing::In;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::kLimit;
using ::chanpool::testing::StatusIs;
using ::testing::_;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;

constexpr int kMiB = 1 << 20;

// HTTP/2's numbers of settings.
constexpr int kHeaderTableSize = 1, kInitialWindowSize = 4, kMaxFrameSize = 5, kMaxHeaderListSize = 6;

// Takes requests of any size, by default, and answers with messages and metadata of the size that it is asked for.
class SizedServer {
 public:
  explicit SizedServer(int max_request = -1) : service_(this) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    if (max_request != 0) builder.SetMaxReceiveMessageSize(max_request);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  }
  ~SizedServer() { server_->Shutdown(DeadlineIn(absl::ZeroDuration())); }

  std::string target() const { return "ipv4:127.0.0.1:" + std::to_string(port_); }
  std::string last_user_agent() const {
    MutexLock lock(&mu_);
    return last_user_agent_;
  }

  std::atomic<int> calls{0};           // That arrived with their request.
  std::atomic<int> reply_bytes{0};     // Of the reply's message; 0: an empty one.
  std::atomic<int> metadata_bytes{0};  // Of the reply's metadata.

 private:
  class Service : public Echo::Service {
   public:
    explicit Service(SizedServer* server) : server_(server) {}
    grpc::Status Unary(grpc::ServerContext* context, const EchoRequest*, EchoReply* reply) override;
    grpc::Status Bidi(grpc::ServerContext*, grpc::ServerReaderWriter<EchoReply, EchoRequest>* stream) override {
      EchoRequest request;
      while (stream->Read(&request)) stream->Write(EchoReply());
      return grpc::Status::OK;
    }

   private:
    SizedServer* const server_;
  };

  mutable Mutex mu_;
  std::string last_user_agent_ ABSL_GUARDED_BY(mu_);
  Service service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

// Of which a message with nothing else is `bytes` on the wire; of 2 MiB to 256 MiB.
std::string PayloadOf(int bytes) { return std::string(bytes - 5, 'a'); }

grpc::Status SizedServer::Service::Unary(grpc::ServerContext* context, const EchoRequest*, EchoReply* reply) {
  ++server_->calls;
  {
    MutexLock lock(&server_->mu_);
    const auto agent = context->client_metadata().find("user-agent");
    server_->last_user_agent_ =
        agent == context->client_metadata().end() ? "" : std::string(agent->second.data(), agent->second.size());
  }
  if (server_->metadata_bytes > 0) context->AddTrailingMetadata("x", std::string(server_->metadata_bytes, 'm'));
  if (server_->reply_bytes > 0) reply->set_payload(PayloadOf(server_->reply_bytes));
  return grpc::Status::OK;
}

std::shared_ptr<ChannelPool> PoolTo(const std::string& target, const TransportOptions& transport) {
  ChannelPoolOptions options;
  options.name = "orders";
  options.target = target;
  options.transport = transport;
  options.pool.max_connections = 1;
  return ChannelPool::Create(std::move(options)).value();
}

grpc::Status Call(ChannelPool& pool, const std::string& payload = "") {
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(kLimit));
  EchoRequest request;
  request.set_payload(payload);
  EchoReply reply;
  return Echo::NewStub(pool.channel())->Unary(&context, request, &reply);
}

// --- Sizes --------------------------------------------------------------------------------------------------------

TEST(TransportOptionsTest, TakesAnswersOfUpTo4MiBByDefault) {
  SizedServer server;
  const auto pool = PoolTo(server.target(), TransportOptions());
  server.reply_bytes = 4 * kMiB;
  EXPECT_THAT(Call(*pool), IsOk());
  server.reply_bytes = 4 * kMiB + 1;
  EXPECT_THAT(Call(*pool), StatusIs(grpc::StatusCode::RESOURCE_EXHAUSTED, HasSubstr("4194305 vs. 4194304")));
}

TEST(TransportOptionsTest, TakesLargerAnswersWhereItIsToldTo) {
  SizedServer server;
  TransportOptions transport;
  transport.max_receive_message_bytes = 6 * kMiB;
  const auto pool = PoolTo(server.target(), transport);
  server.reply_bytes = 6 * kMiB;
  EXPECT_THAT(Call(*pool), IsOk());
  server.reply_bytes = 6 * kMiB + 1;
  EXPECT_THAT(Call(*pool), StatusIs(grpc::StatusCode::RESOURCE_EXHAUSTED));
}

TEST(TransportOptionsTest, AStockServerTakesRequestsOfUpTo4MiB) {
  SizedServer server(/*max_request=*/0);  // gRPC's default.
  const auto pool = PoolTo(server.target(), TransportOptions());
  EXPECT_THAT(Call(*pool, PayloadOf(4 * kMiB)), IsOk());
  EXPECT_THAT(Call(*pool, PayloadOf(4 * kMiB + 1)), StatusIs(grpc::StatusCode::RESOURCE_EXHAUSTED));
}

TEST(TransportOptionsTest, RequestsAboveItsOwnLimitNeverReachTheServer) {
  SizedServer server;
  TransportOptions transport;
  transport.max_send_message_bytes = 4 * kMiB;
  const auto pool = PoolTo(server.target(), transport);
  EXPECT_THAT(Call(*pool, PayloadOf(4 * kMiB)), IsOk());
  EXPECT_THAT(Call(*pool, PayloadOf(4 * kMiB + 1)), StatusIs(grpc::StatusCode::RESOURCE_EXHAUSTED));
  EXPECT_EQ(server.calls, 1);
  // The connection goes on.
  EXPECT_THAT(Call(*pool), IsOk());
  EXPECT_EQ(pool->Stats().opened, 1);
}

TEST(TransportOptionsTest, TakesMetadataOfUpToItsLimit) {
  SizedServer server;
  const auto usual = PoolTo(server.target(), TransportOptions());
  TransportOptions transport;
  transport.max_metadata_bytes = 64 << 10;
  const auto more = PoolTo(server.target(), transport);
  server.metadata_bytes = 7 << 10;
  EXPECT_THAT(Call(*usual), IsOk());
  server.metadata_bytes = 9 << 10;
  EXPECT_THAT(Call(*usual), StatusIs(grpc::StatusCode::RESOURCE_EXHAUSTED));
  EXPECT_THAT(Call(*more), IsOk());
  server.metadata_bytes = 65 << 10;
  EXPECT_THAT(Call(*more), StatusIs(grpc::StatusCode::RESOURCE_EXHAUSTED));
}

// --- What servers see ---------------------------------------------------------------------------------------------

TEST(TransportOptionsTest, ServersSeeTheUserAgent) {
  SizedServer server;
  ASSERT_THAT(Call(*PoolTo(server.target(), TransportOptions())), IsOk());
  EXPECT_THAT(server.last_user_agent(), StartsWith("grpc-c++/"));
  TransportOptions transport;
  transport.user_agent_prefix = "orders/1.4 (blue)";
  ASSERT_THAT(Call(*PoolTo(server.target(), transport)), IsOk());
  EXPECT_THAT(server.last_user_agent(), StartsWith("orders/1.4 (blue) grpc-c++/"));
}

class CompressionTest : public ::testing::TestWithParam<std::pair<Compression, std::string>> {
 protected:
  // The message of a call, as a peer gets it.
  static std::string MessageAsSent(Compression compression) {
    FramePeer peer;
    TransportOptions transport;
    transport.compression = compression;
    const auto pool = PoolTo(peer.target(), transport);
    EXPECT_THAT(pool->WaitForReady(1, In(kLimit)), IsOk());
    grpc::ClientContext context;
    EchoRequest request;
    request.set_payload(std::string(10'000, 'a'));
    EchoReply reply;
    const auto stub = Echo::NewStub(pool->channel());
    stub->async()->Unary(&context, &request, &reply, [](grpc::Status) {});
    EXPECT_TRUE(Eventually([&] { return peer.data().size() > 10; }));
    context.TryCancel();
    EXPECT_TRUE(Eventually([&] { return pool->Stats().leases == 0; }));
    return peer.data();
  }
};

TEST_P(CompressionTest, IsWhatMessagesAreSentWith) {
  const auto& [compression, beginning] = GetParam();
  const std::string message = MessageAsSent(compression);
  ASSERT_GT(message.size(), 5 + beginning.size());
  const bool compressed = compression != Compression::kNone;
  EXPECT_EQ(message[0], compressed ? 1 : 0);
  EXPECT_EQ(message.substr(5, beginning.size()), beginning);
  EXPECT_EQ(message.size() < 200, compressed) << message.size();
}

TEST_P(CompressionTest, IsReadByAServer) {
  SizedServer server;
  server.reply_bytes = 3 * kMiB;
  TransportOptions transport;
  transport.compression = GetParam().first;
  EXPECT_THAT(Call(*PoolTo(server.target(), transport), std::string(10'000, 'a')), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Algorithms, CompressionTest,
                         ::testing::Values(std::pair(Compression::kNone, std::string("\x0a\x90\x4e", 3)),
                                           std::pair(Compression::kDeflate, std::string("\x78")),
                                           std::pair(Compression::kGzip, std::string("\x1f\x8b", 2))));

// --- What a connection says of itself -----------------------------------------------------------------------------

std::map<int, uint32_t> SettingsOf(const TransportOptions& transport) {
  FramePeer peer;
  const auto pool = PoolTo(peer.target(), transport);
  EXPECT_THAT(pool->WaitForReady(1, In(kLimit)), IsOk());
  EXPECT_TRUE(Eventually([&] { return !peer.settings().empty(); }));
  return peer.settings();
}

std::map<int, uint32_t> SettingsOfPlainChannel(const grpc::ChannelArguments& arguments) {
  FramePeer peer;
  const auto channel = grpc::CreateCustomChannel(peer.target(), grpc::InsecureChannelCredentials(), arguments);
  EXPECT_TRUE(channel->WaitForConnected(DeadlineIn(kLimit)));
  EXPECT_TRUE(Eventually([&] { return !peer.settings().empty(); }));
  return peer.settings();
}

TEST(TransportOptionsTest, TheDefaultsAreThoseOfAPlainChannel) {
  EXPECT_EQ(SettingsOf(TransportOptions()), SettingsOfPlainChannel(grpc::ChannelArguments()));
  // And those that hold without bdp_probe alone. By HTTP/2's rules what is not said has its default.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  const std::map<int, uint32_t> plain = SettingsOfPlainChannel(arguments);
  TransportOptions transport;
  transport.bdp_probe = false;
  EXPECT_EQ(SettingsOf(transport), plain);
  EXPECT_THAT(plain, Contains(Pair(kInitialWindowSize, transport.initial_window_bytes)));
  EXPECT_EQ(transport.max_frame_bytes, 16384);
  EXPECT_THAT(plain, Not(Contains(Pair(kMaxFrameSize, _))));
  EXPECT_EQ(transport.hpack_decoder_bytes, 4096);
  EXPECT_THAT(plain, Not(Contains(Pair(kHeaderTableSize, _))));
  EXPECT_THAT(plain, Contains(Pair(kMaxHeaderListSize, transport.max_metadata_bytes)));
}

TEST(TransportOptionsTest, WindowsAndFramesAreWhatIsSetOnceProbingIsOff) {
  TransportOptions transport;
  transport.bdp_probe = false;
  transport.initial_window_bytes = 1 * kMiB;
  transport.max_frame_bytes = 64 << 10;
  EXPECT_THAT(SettingsOf(transport),
              AllOf(Contains(Pair(kInitialWindowSize, 1u * kMiB)), Contains(Pair(kMaxFrameSize, 64u << 10))));
}

TEST(TransportOptionsTest, PeersAreToldOfMetadataAndHeaderTable) {
  TransportOptions transport;
  transport.max_metadata_bytes = 20'000;
  transport.hpack_decoder_bytes = 8192;
  EXPECT_THAT(SettingsOf(transport),
              AllOf(Contains(Pair(kMaxHeaderListSize, 20'000)), Contains(Pair(kHeaderTableSize, 8192))));
}

TEST(TransportOptionsTest, HeadersAreSentOnceUnlessNothingIsRemembered) {
  const auto sizes_of_two_calls = [](int encoder_bytes) {
    FramePeer peer;
    TransportOptions transport;
    transport.hpack_encoder_bytes = encoder_bytes;
    transport.user_agent_prefix = std::string(200, 'u');
    const auto pool = PoolTo(peer.target(), transport);
    EXPECT_THAT(pool->WaitForReady(1, In(kLimit)), IsOk());
    const auto stub = Echo::NewStub(pool->channel());
    grpc::ClientContext contexts[2];
    const EchoRequest request;
    EchoReply replies[2];
    for (size_t i = 0; i < 2; ++i) {
      stub->async()->Unary(&contexts[i], &request, &replies[i], [](grpc::Status) {});
      EXPECT_TRUE(Eventually([&] { return peer.header_sizes().size() == i + 1; }));
    }
    for (grpc::ClientContext& context : contexts) context.TryCancel();
    EXPECT_TRUE(Eventually([&] { return pool->Stats().leases == 0; }));
    return peer.header_sizes();
  };
  const std::vector<size_t> usual = sizes_of_two_calls(4096), forgetful = sizes_of_two_calls(0);
  EXPECT_LT(usual.at(1), 100u) << "of " << usual.at(0);
  EXPECT_GT(forgetful.at(1), 200u);
}

TEST(TransportOptionsTest, WithoutAWriteBufferNothingIsKeptBack) {
  SizedServer server;
  TransportOptions transport;
  transport.write_buffer_bytes = 0;
  const auto pool = PoolTo(server.target(), transport);
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(kLimit));
  const auto stream = Echo::NewStub(pool->channel())->Bidi(&context);
  EchoRequest request;
  EchoReply reply;
  ASSERT_TRUE(stream->Write(request));
  ASSERT_TRUE(stream->Read(&reply));
  request.set_payload("a hint, and nothing after it");
  ASSERT_TRUE(stream->Write(request, grpc::WriteOptions().set_buffer_hint()));
  EXPECT_TRUE(stream->Read(&reply)) << "it was kept back";
  stream->WritesDone();
  EXPECT_THAT(stream->Finish(), IsOk());
}

TEST(TransportOptionsTest, TheProxyOfTheEnvironmentIsLeftOutWhereItIsToldTo) {
  SizedServer server;
  // A name, since gRPC would dial it through the proxy.
  const std::string target = "dns:///localhost" + server.target().substr(server.target().rfind(':'));
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  TransportOptions transport;
  transport.http_proxy = false;
  const auto pool = PoolTo(target, transport);
  const grpc::Status status = Call(*pool);
  unsetenv("http_proxy");
  EXPECT_THAT(status, IsOk());
  EXPECT_THAT(pool->warnings(), IsEmpty());
}

// --- Changes ------------------------------------------------------------------------------------------------------

TEST(TransportOptionsTest, ARedirectMakesConnectionsWithTheNewOptions) {
  SizedServer server;
  const auto pool = PoolTo(server.target(), TransportOptions());
  server.reply_bytes = 5 * kMiB;
  ASSERT_THAT(Call(*pool), StatusIs(grpc::StatusCode::RESOURCE_EXHAUSTED));
  ChannelPoolOptions options = pool->channel_options();
  options.transport.max_receive_message_bytes = 5 * kMiB;
  ASSERT_THAT(pool->Redirect(options), IsOk());
  EXPECT_TRUE(Eventually([&] { return Call(*pool).ok(); }));
}

// --- What makes no sense ------------------------------------------------------------------------------------------

std::vector<std::string> ProblemsOf(const TransportOptions& options) {
  std::vector<std::string> problems;
  for (const absl::Status& problem : TransportProblems(options)) problems.emplace_back(problem.message());
  return problems;
}

TEST(TransportOptionsTest, NamesEachValueThatIsOutOfRangeAndTheNearest) {
  TransportOptions low;
  low.max_receive_message_bytes = 1023;
  low.max_send_message_bytes = -1;
  low.max_metadata_bytes = 0;
  low.bdp_probe = false;
  low.initial_window_bytes = 1023;
  low.max_frame_bytes = 16383;
  low.write_buffer_bytes = -1;
  low.hpack_decoder_bytes = -1;
  low.hpack_encoder_bytes = -1;
  EXPECT_THAT(ProblemsOf(low), ElementsAre("transport.max_receive_message_bytes: 1023 is below 1024; set 1024",
                                           "transport.max_send_message_bytes: -1 is below 1024; set 1024",
                                           "transport.max_metadata_bytes: 0 is below 1024; set 1024",
                                           "transport.initial_window_bytes: 1023 is below 1024; set 1024",
                                           "transport.max_frame_bytes: 16383 is below 16384; set 16384",
                                           "transport.write_buffer_bytes: -1 is below 0; set 0",
                                           "transport.hpack_decoder_bytes: -1 is below 0; set 0",
                                           "transport.hpack_encoder_bytes: -1 is below 0; set 0"));
  TransportOptions high;
  high.max_receive_message_bytes = int64_t{1} << 32;
  high.max_metadata_bytes = (16 << 20) + 1;
  high.bdp_probe = false;
  high.max_frame_bytes = 1 << 24;
  high.write_buffer_bytes = (64 << 20) + 1;
  high.hpack_decoder_bytes = kMiB + 1;
  high.hpack_encoder_bytes = kMiB + 1;
  EXPECT_THAT(ProblemsOf(high),
              ElementsAre("transport.max_receive_message_bytes: 4294967296 is above 2147483647; set 2147483647",
                          "transport.max_metadata_bytes: 16777217 is above 16777216; set 16777216",
                          "transport.max_frame_bytes: 16777216 is above 16777215; set 16777215",
                          "transport.write_buffer_bytes: 67108865 is above 67108864; set 67108864",
                          "transport.hpack_decoder_bytes: 1048577 is above 1048576; set 1048576",
                          "transport.hpack_encoder_bytes: 1048577 is above 1048576; set 1048576"));
  EXPECT_THAT(ProblemsOf(TransportOptions()), IsEmpty());
}

TEST(TransportOptionsTest, RefusesAWindowThatProbingWouldReplace) {
  TransportOptions options;
  options.initial_window_bytes = kMiB;
  EXPECT_THAT(ProblemsOf(options), ElementsAre("transport.initial_window_bytes: holds for nothing while bdp_probe is "
                                               "on; set bdp_probe to false as well, or leave it out"));
}

TEST(TransportOptionsTest, RefusesAUserAgentThatIsNoHeader) {
  for (const std::string& bad : {std::string("a\nb"), std::string("\xc3\xa4"), std::string(" a"), std::string("a ")}) {
    TransportOptions options;
    options.user_agent_prefix = bad;
    EXPECT_THAT(ProblemsOf(options), ElementsAre(HasSubstr("transport.user_agent_prefix: has a character"))) << bad;
  }
  TransportOptions options;
  options.user_agent_prefix = std::string(257, 'a');
  EXPECT_THAT(ProblemsOf(options), ElementsAre("transport.user_agent_prefix: has 257 characters; set at most 256"));
}

TEST(TransportOptionsTest, RefusesByNameWhatIsSetInTheArgumentsAsWell) {
  TransportOptions transport;
  transport.max_receive_message_bytes = 5 * kMiB;
  transport.max_send_message_bytes = 5 * kMiB;
  transport.max_metadata_bytes = 64 << 10;
  transport.user_agent_prefix = "orders/1.4";
  transport.compression = Compression::kGzip;
  transport.bdp_probe = false;
  transport.initial_window_bytes = kMiB;
  transport.max_frame_bytes = 64 << 10;
  transport.write_buffer_bytes = 0;
  transport.hpack_decoder_bytes = 0;
  transport.hpack_encoder_bytes = 0;
  transport.http_proxy = false;
  std::vector<grpc::ChannelArguments> each(13);
  each[0].SetMaxReceiveMessageSize(1);
  each[1].SetMaxSendMessageSize(1);
  each[2].SetInt(GRPC_ARG_MAX_METADATA_SIZE, 1);
  each[3].SetUserAgentPrefix("shop");
  each[4].SetCompressionAlgorithm(GRPC_COMPRESS_DEFLATE);
  each[5].SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 1);
  each[6].SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 1);
  each[7].SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1);
  each[8].SetInt(GRPC_ARG_HTTP2_WRITE_BUFFER_SIZE, 1);
  each[9].SetInt(GRPC_ARG_HTTP2_HPACK_TABLE_SIZE_DECODER, 1);
  each[10].SetInt(GRPC_ARG_HTTP2_HPACK_TABLE_SIZE_ENCODER, 1);
  each[11].SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 1);
  each[12].SetString(GRPC_ARG_HTTP_PROXY, "http://proxy:3128");
  const std::vector<std::string> options = {"max_receive_message_bytes",
                                            "max_send_message_bytes",
                                            "max_metadata_bytes",
                                            "user_agent_prefix",
                                            "compression",
                                            "bdp_probe",
                                            "initial_window_bytes",
                                            "max_frame_bytes",
                                            "write_buffer_bytes",
                                            "hpack_decoder_bytes",
                                            "hpack_encoder_bytes",
                                            "http_proxy",
                                            "http_proxy"};
  for (size_t i = 0; i < each.size(); ++i) {
    EXPECT_THAT(ValidateTransport(transport, each[i]),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(StartsWith("channel_arguments: grpc."),
                               HasSubstr(" is set by transport." + options[i] + " as well; leave it out of one"))));
    // Alone each is as good as the other.
    EXPECT_THAT(ValidateTransport(TransportOptions(), each[i]), IsOk());
  }
  EXPECT_THAT(ValidateTransport(transport, grpc::ChannelArguments()), IsOk());
  ChannelPoolOptions both;
  both.target = "ipv4:127.0.0.1:1";
  both.transport = transport;
  both.channel_arguments = each[0];
  EXPECT_THAT(ChannelPool::Validate(both), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace chanpool
