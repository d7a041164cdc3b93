// TLS from files, against real servers: what is trusted, what is shown, and what a rotation costs.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "examples/processes/program.h"
#include "pool/core/mutex.h"
#include "pool/grpc/channel_pool.h"
#include "tests/fakes/echo.grpc.pb.h"
#include "tests/fakes/echo_server.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/status_matchers.h"
#include "tests/fakes/test_certificates.h"

namespace chanpool {
namespace {

using ::chanpool::testing::DeadlineIn;
using ::chanpool::testing::Echo;
using ::chanpool::testing::EchoReply;
using ::chanpool::testing::EchoRequest;
using ::chanpool::testing::EchoServer;
using ::chanpool::testing::EchoServerOptions;
using ::chanpool::testing::Eventually;
using ::chanpool::testing::In;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::kLimit;
using ::chanpool::testing::StatusIs;
using ::chanpool::testing::TestAuthority;
using ::chanpool::testing::TestPair;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kDay = absl::Hours(24);
constexpr int kConnections = 3;

// What servers ask of clients.
enum class Asks { kNothing, kCertificate };

class TlsTest : public ::testing::Test {
 protected:
  static TestPair Issue(const TestAuthority& by, const std::string& name, absl::Duration left = 90 * kDay) {
    return by.Issue(name, In(-kDay), In(left));
  }

  // A server that shows `pair`, and trusts authority_.
  void Serve(const TestPair& pair, Asks asks = Asks::kNothing) {
    grpc::SslServerCredentialsOptions tls(asks == Asks::kCertificate
                                              ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                              : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
    tls.pem_root_certs = authority_.certificate();
    tls.pem_key_cert_pairs.push_back({pair.key, pair.certificate});
    EchoServerOptions options;
    options.credentials = grpc::SslServerCredentials(tls);
    server_ = std::make_unique<EchoServer>(options);
    // By a name: the certificate is for one.
    options_.target = "dns:///localhost:" + std::to_string(server_->port());
  }

  // The pool trusts `authority`.
  void Trust(const TestAuthority& authority) {
    options_.tls->ca_file = folder_.Write("ca.pem", authority.certificate());
  }
  // The pool shows `pair`.
  void Show(const TestPair& pair) {
    options_.tls->certificate_file = folder_.Write("client.pem", pair.certificate);
    options_.tls->key_file = folder_.Write("client.key", pair.key);
  }

  void Make() {
    pool_ = ChannelPool::Create(options_).value();
    events_ = pool_->Subscribe([this](const PoolEvent& event) {
      MutexLock lock(&mu_);
      told_.push_back(event);
    });
  }

  grpc::Status Call() {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(kLimit));
    EchoReply reply;
    return Echo::NewStub(pool_->channel())->Unary(&context, EchoRequest(), &reply);
  }

  std::vector<std::string> Told(PoolEvent::Kind kind) {
    MutexLock lock(&mu_);
    std::vector<std::string> details;
    for (const PoolEvent& event : told_) {
      if (event.kind == kind) details.push_back(event.detail);
    }
    return details;
  }

  uint64_t Recycled() const { return pool_->Stats().closed_by_reason[static_cast<int>(CloseReason::kRecycled)]; }

  TlsTest() {
    options_.tls = TlsOptions();
    options_.tls->check_every = kShortestTlsCheck;
    options_.pool.min_connections = options_.pool.max_connections = kConnections;
    Trust(authority_);
  }
  ~TlsTest() override {
    if (pool_ == nullptr) return;
    EXPECT_TRUE(Eventually([&] { return pool_->Stats().leases == 0; }));
  }

  const TemporaryFolder folder_;
  const TestAuthority authority_{"root", In(300 * kDay)};
  const TestAuthority stranger_{"stranger", In(300 * kDay)};
  ChannelPoolOptions options_;
  std::unique_ptr<EchoServer> server_;
  Mutex mu_;
  std::vector<PoolEvent> told_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<ChannelPool> pool_;
  Subscription events_;
};

TEST_F(TlsTest, CallsAServerThatItTrusts) {
  Serve(Issue(authority_, "localhost"));
  Make();
  EXPECT_THAT(Call(), IsOk());
  EXPECT_EQ(pool_->Certificate()->subject, "");
  EXPECT_THAT(pool_->WaitForReady(kConnections, In(kLimit)), IsOk());
}

TEST_F(TlsTest, ShowsItsCertificateToAServerThatAsks) {
  Serve(Issue(authority_, "localhost"), Asks::kCertificate);
  Show(Issue(authority_, "shop"));
  Make();
  EXPECT_THAT(Call(), IsOk());
  EXPECT_EQ(pool_->Certificate()->subject, "CN=shop");
}

TEST_F(TlsTest, AServerThatAsksRefusesWhoeverShowsNone) {
  Serve(Issue(authority_, "localhost"), Asks::kCertificate);
  Make();
  EXPECT_THAT(Call(), StatusIs(grpc::StatusCode::UNAVAILABLE));
}

TEST_F(TlsTest, RefusesAServerOfAnotherAuthority) {
  Serve(Issue(stranger_, "localhost"));
  Make();
  EXPECT_THAT(Call(), StatusIs(grpc::StatusCode::UNAVAILABLE));
  EXPECT_EQ(server_->calls(), 0);
}

TEST_F(TlsTest, RefusesAServerOfAnotherName) {
  Serve(Issue(authority_, "orders.internal"));
  Make();
  EXPECT_THAT(Call(), StatusIs(grpc::StatusCode::UNAVAILABLE));
  EXPECT_EQ(server_->calls(), 0);
}

// The addresses are a list's, and the name is the target's.
TEST_F(TlsTest, AServerInAListIsHeldToTheNameOfTheTarget) {
  Serve(Issue(authority_, "orders.internal"));
  options_.target = "orders.internal:50051";
  options_.endpoints = {{server_->target()}};
  Make();
  EXPECT_THAT(Call(), IsOk());
}

TEST_F(TlsTest, AServerInAListThatHasAnotherNameFailsCallsWithTheNameThatWasAsked) {
  Serve(Issue(authority_, "bills.internal"));
  options_.target = "orders.internal:50051";
  options_.endpoints = {{server_->target()}};
  Make();
  EXPECT_THAT(Call(), StatusIs(grpc::StatusCode::UNAVAILABLE, HasSubstr("orders.internal")));
  EXPECT_THAT(pool_->Acquire(In(absl::Milliseconds(50))),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("orders.internal")));
  EXPECT_EQ(server_->calls(), 0);
}

TEST_F(TlsTest, ServerNameStandsForTheTargets) {
  Serve(Issue(authority_, "orders.internal"));
  options_.tls->server_name = "orders.internal";
  Make();
  EXPECT_THAT(Call(), IsOk());
}

TEST_F(TlsTest, RefusesAServerWhoseCertificateHasExpired) {
  Serve(Issue(authority_, "localhost", -absl::Hours(1)));
  Make();
  EXPECT_THAT(Call(), StatusIs(grpc::StatusCode::UNAVAILABLE));
  EXPECT_EQ(server_->calls(), 0);
}

TEST_F(TlsTest, CredentialsAndTlsAreNotForOnePool) {
  Serve(Issue(authority_, "localhost"));
  options_.credentials = grpc::InsecureChannelCredentials();
  EXPECT_THAT(ChannelPool::Create(options_).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("credentials and tls are both set")));
}

TEST_F(TlsTest, ServerNameAndAnAuthorityAreNotForOnePool) {
  options_.target = "dns:///localhost:1";
  options_.tls->server_name = "orders.internal";
  options_.channel_arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "orders");
  EXPECT_THAT(
      ChannelPool::Create(options_).status(),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("grpc.default_authority is set by the pool; use tls")));
}

TEST_F(TlsTest, NoPoolIsMadeOfFilesThatAreNoGood) {
  Serve(Issue(authority_, "localhost"));
  Show({Issue(authority_, "shop").certificate, Issue(authority_, "shop").key});
  EXPECT_THAT(ChannelPool::Create(options_).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tls.key_file: ")));
}

// --- Rotation -----------------------------------------------------------------------------------------------------

// Calls without a pause, as long as it lives.
class Load {
 public:
  explicit Load(std::function<grpc::Status()> call)
      : thread_([this, call = std::move(call)] {
          while (!over_) {
            const grpc::Status status = call();
            ++calls_;
            if (!status.ok()) ++failed_;
          }
        }) {}
  ~Load() {
    over_ = true;
    thread_.join();
  }
  int calls() const { return calls_; }
  int failed() const { return failed_; }

 private:
  std::atomic<bool> over_{false};
  std::atomic<int> calls_{0};
  std::atomic<int> failed_{0};
  std::thread thread_;
};

TEST_F(TlsTest, AGoodPairReplacesAnotherAndNoCallFails) {
  Serve(Issue(authority_, "localhost"), Asks::kCertificate);
  Show(Issue(authority_, "shop"));
  Make();
  ASSERT_THAT(pool_->WaitForReady(kConnections, In(kLimit)), IsOk());
  Load load([this] { return Call(); });

  Show(Issue(authority_, "newer-shop", 100 * kDay));

  EXPECT_TRUE(Eventually([&] { return Recycled() == kConnections; }));
  EXPECT_EQ(pool_->Certificate()->subject, "CN=newer-shop");
  EXPECT_THAT(Told(PoolEvent::Kind::kCertificateChanged), SizeIs(::testing::Ge(1)));
  const int then = load.calls();
  EXPECT_TRUE(Eventually([&] { return load.calls() > then + 100; }));
  EXPECT_EQ(load.failed(), 0);
}

// The new pair is what new connections show.
TEST_F(TlsTest, APoolThatNobodyLetInComesInWithTheNextPair) {
  Serve(Issue(authority_, "localhost"), Asks::kCertificate);
  Show(Issue(stranger_, "shop"));
  Make();
  EXPECT_THAT(Call(), StatusIs(grpc::StatusCode::UNAVAILABLE));
  Show(Issue(authority_, "shop"));
  EXPECT_TRUE(Eventually([&] { return Call().ok(); }));
}

TEST_F(TlsTest, APairThatDoesNotFitReplacesNothingAndNoCallFails) {
  Serve(Issue(authority_, "localhost"), Asks::kCertificate);
  Show(Issue(authority_, "shop"));
  Make();
  ASSERT_THAT(pool_->WaitForReady(kConnections, In(kLimit)), IsOk());
  Load load([this] { return Call(); });

  Show({Issue(authority_, "newer-shop").certificate, Issue(authority_, "other").key});

  EXPECT_TRUE(Eventually([&] { return !Told(PoolEvent::Kind::kCertificateRefused).empty(); }));
  EXPECT_THAT(pool_->Certificate()->last_error, HasSubstr("is not the key of the certificate"));
  EXPECT_EQ(pool_->Certificate()->subject, "CN=shop");
  pool_->Recycle();  // New connections: with the pair that was good.
  EXPECT_TRUE(Eventually([&] { return Recycled() == kConnections; }));
  EXPECT_EQ(load.failed(), 0);
  // At most twice: once between the two files that were written.
  EXPECT_THAT(Told(PoolEvent::Kind::kCertificateRefused), SizeIs(::testing::Le(2)));
  EXPECT_THAT(Told(PoolEvent::Kind::kCertificateChanged), IsEmpty());
}

TEST_F(TlsTest, ACertificateThatEndsSoonIsWarnedOfOnce) {
  Serve(Issue(authority_, "localhost"), Asks::kCertificate);
  Show(Issue(authority_, "shop", 3 * kDay + absl::Hours(1)));
  Make();
  EXPECT_TRUE(Eventually([&] { return !Told(PoolEvent::Kind::kCertificateExpiring).empty(); }));
  Show(Issue(authority_, "shop"));
  EXPECT_TRUE(Eventually([&] { return !Told(PoolEvent::Kind::kCertificateChanged).empty(); }));
  EXPECT_THAT(Told(PoolEvent::Kind::kCertificateExpiring), ElementsAre(HasSubstr("3 days left")));
}

TEST_F(TlsTest, APoolIsRedirectedFromPlainToTls) {
  EchoServer plain;
  const std::optional<TlsOptions> tls = options_.tls;
  options_.tls = std::nullopt;
  options_.target = plain.target();
  Make();
  EXPECT_THAT(Call(), IsOk());
  EXPECT_EQ(pool_->Certificate(), std::nullopt);

  Serve(Issue(authority_, "localhost"));
  options_.tls = tls;
  ASSERT_THAT(pool_->Redirect(options_), IsOk());

  EXPECT_TRUE(Eventually([&] { return Call().ok() && server_->calls() > 0; }));
  Trust(stranger_);  // Looked at from now on.
  EXPECT_TRUE(Eventually([&] { return pool_->Certificate()->changes == 1; }));
}

}  // namespace
}  // namespace chanpool
