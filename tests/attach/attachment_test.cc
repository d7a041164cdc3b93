#include "server/attach/attachment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "chanpool/admin/v1/pool_admin.pb.h"
#include "pool/core/mutex.h"
#include "pool/grpc/channel_pool.h"
#include "pool/testing/fake_clock.h"
#include "server/attach/attach_line.h"
#include "server/attach/attached_processes.h"
#include "server/attach/shown_pool.h"
#include "server/socket/unix_listener.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool {
namespace {

using chanpool::admin::v1::DrainPoolRequest;
using chanpool::admin::v1::DrainPoolResponse;
using chanpool::testing::Eventually;
using chanpool::testing::In;
using chanpool::testing::IsOk;
using chanpool::testing::Signal;
using chanpool::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The sidecar's side, in this process.
struct Sidecar {
  Sidecar(const std::string& path, std::vector<uid_t> allow_uids = {})
      : attached({&events, nullptr, std::move(allow_uids), [](absl::string_view) {}}),
        listener(std::move(UnixListener::Bind({path}, [this](int fd, const UnixPeer& peer) {
                   attached.Accept(fd, peer);
                 })).value()) {}

  std::vector<std::string> PoolNames() {
    std::vector<std::string> names;
    for (const auto& pool : attached.Pools()) names.push_back(pool.name());
    return names;
  }

  admin::EventLog events{RealClock()};
  AttachedProcesses attached;
  std::unique_ptr<UnixListener> listener;
};

class AttachmentTest : public ::testing::Test {
 protected:
  AttachmentTest() {
    char folder[] = "/tmp/attachment_test.XXXXXX";
    folder_ = mkdtemp(folder);
    path_ = absl::StrCat(folder_, "/attach.sock");
  }
  ~AttachmentTest() override {
    unlink(path_.c_str());
    rmdir(folder_.c_str());
  }

  admin::PoolRegistry::Registration NewPool(const std::string& name) {
    ChannelPoolOptions options;
    options.name = name;
    options.target = "ipv4:127.0.0.1:1";
    options.pool.min_connections = 0;
    pools_.push_back(std::move(ChannelPool::Create(options)).value());
    return ShownPool(name, *pools_.back());
  }

  AttachOptions Options(const std::string& name = "shop") {
    AttachOptions options;
    options.name = name;
    options.socket = path_;
    options.log = [this](absl::string_view line) {
      MutexLock lock(&mu_);
      log_.emplace_back(line);
    };
    return options;
  }

  // With these lines, and with a clock that stands still unless told.
  std::unique_ptr<Attachment> Start(std::vector<admin::PoolRegistry::Registration> pools) {
    AttachOptions options = Options();
    options.clock = &clock_;
    return std::move(Attachment::Start(options, std::move(pools))).value();
  }

  std::vector<std::string> log() {
    MutexLock lock(&mu_);
    return log_;
  }

  // Advances the clock until `condition` holds.
  template <typename Condition>
  bool EventuallyOnTheClock(Condition condition) {
    return Eventually([&] {
      if (condition()) return true;
      clock_.Advance(absl::Seconds(1));
      return false;
    });
  }

  int Listen() {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd, 8), 0);
    return fd;
  }

  FakeClock clock_;
  std::string folder_;
  std::string path_;
  std::vector<std::shared_ptr<ChannelPool>> pools_;
  Mutex mu_;
  std::vector<std::string> log_ ABSL_GUARDED_BY(mu_);
};

TEST_F(AttachmentTest, ShowsItsPoolsAndThoseThatComeLater) {
  Sidecar sidecar(path_);
  const auto attachment = Attachment::Start(Options(), {NewPool("orders")});
  ASSERT_THAT(attachment, IsOk());
  ASSERT_TRUE(Eventually([&] { return sidecar.PoolNames().size() == 1; }));
  EXPECT_EQ((*attachment)->attached_as(), "shop");
  EXPECT_EQ(sidecar.attached.Processes()[0].pid(), static_cast<uint32_t>(getpid()));

  ASSERT_THAT((*attachment)->Add(NewPool("payments")), IsOk());
  EXPECT_TRUE(Eventually([&] { return sidecar.PoolNames().size() == 2; }));
  EXPECT_THAT(sidecar.PoolNames(), ElementsAre("processes/shop/pools/orders", "processes/shop/pools/payments"));
  ASSERT_THAT((*attachment)->Remove("orders"), IsOk());
  EXPECT_TRUE(Eventually([&] { return sidecar.PoolNames().size() == 1; }));
  EXPECT_THAT((*attachment)->Remove("orders"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(AttachmentTest, ShowsHowChannelsAreMadeAndWhatARedirectHasChanged) {
  Sidecar sidecar(path_);
  const auto attachment = Attachment::Start(Options(), {NewPool("orders")});
  ASSERT_THAT(attachment, IsOk());
  const auto shown = [&] {
    const auto pools = sidecar.attached.Pools();
    return pools.empty() ? chanpool::admin::v1::Pool() : pools[0];
  };
  ASSERT_TRUE(Eventually([&] { return shown().target() == "ipv4:127.0.0.1:1"; }));
  EXPECT_FALSE(shown().has_keepalive());

  ChannelPoolOptions options = pools_[0]->channel_options();
  options.target = "ipv4:127.0.0.1:2";
  options.keepalive.time = absl::Minutes(5);
  options.retry.calls = {CallPolicy()};
  options.retry.calls[0].max_attempts = 4;
  ASSERT_THAT(pools_[0]->Redirect(options), IsOk());
  ASSERT_THAT((*attachment)->Update(ShownPool("orders", *pools_[0])), IsOk());
  EXPECT_TRUE(Eventually([&] { return shown().target() == "ipv4:127.0.0.1:2"; }));
  EXPECT_EQ(shown().keepalive().time().seconds(), 300);
  EXPECT_EQ(shown().channel().retry().calls(0).max_attempts(), 4u);
  EXPECT_THAT((*attachment)->Update(ShownPool("stock", *pools_[0])), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(AttachmentTest, LetsAnOperatorOfTheSidecarDrainAPoolButAViewerNot) {
  Sidecar sidecar(path_);
  const auto attachment = Attachment::Start(Options(), {NewPool("orders")});
  ASSERT_THAT(attachment, IsOk());
  ASSERT_TRUE(Eventually([&] { return sidecar.PoolNames().size() == 1; }));
  const auto drain_as = [&](admin::Role role) {
    DrainPoolRequest request;
    request.set_name("processes/shop/pools/orders");
    DrainPoolResponse response;
    absl::Status result;
    Signal done;
    sidecar.attached.Call("shop", "DrainPool", request, {"uid:7", role}, In(absl::Seconds(20)), &response,
                          [&](absl::Status status) {
                            result = status;
                            done.Notify();
                          });
    EXPECT_TRUE(done.Await());
    EXPECT_EQ(response.operation().requested_by(), result.ok() ? "uid:7" : "");
    return result;
  };

  EXPECT_THAT(drain_as(admin::Role::ROLE_VIEWER), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_EQ(pools_[0]->Stats().state, PoolAdminState::kActive);
  EXPECT_THAT(drain_as(admin::Role::ROLE_OPERATOR), IsOk());
  EXPECT_NE(pools_[0]->Stats().state, PoolAdminState::kActive);
}

TEST_F(AttachmentTest, SaysGoodbyeWhenItEndsOnPurpose) {
  Sidecar sidecar(path_);
  for (int i = 0; i < 5; ++i) {
    auto attachment = Attachment::Start(Options(), {NewPool("orders")});
    ASSERT_THAT(attachment, IsOk());
    // Its events are followed from the moment it is shown.
    ASSERT_TRUE(Eventually([&] { return sidecar.PoolNames().size() == 1; }));
    attachment->reset();
    ASSERT_TRUE(Eventually([&] { return sidecar.attached.Processes().empty(); }));
    EXPECT_EQ(sidecar.PoolNames().size(), 0u);
  }
  int ended = 0;
  for (const auto& event : sidecar.events.Read(0, 10'000).events) {
    if (event.type() != chanpool::admin::v1::EVENT_TYPE_PROCESS_LOST) continue;
    ++ended;
    EXPECT_EQ(event.severity(), chanpool::admin::v1::SEVERITY_INFO);
    EXPECT_EQ(event.resource(), "processes/shop");
    EXPECT_EQ(event.message(), "ended, and said so");
  }
  EXPECT_EQ(ended, 5);
}

TEST_F(AttachmentTest, EndsPromptlyWhenTheSidecarDoesNotHearItsGoodbye) {
  const int listener = Listen();
  std::unique_ptr<Attachment> attachment = Start({});
  const int connection = accept(listener, nullptr, nullptr);
  ASSERT_THAT(attach::WriteLine(connection, attach::AttachedLine("shop")), IsOk());
  ASSERT_TRUE(Eventually([&] { return attachment->attached_as() == "shop"; }));

  Signal done;
  std::thread end([&] {
    attachment.reset();
    done.Notify();
  });
  EXPECT_TRUE(EventuallyOnTheClock([&] { return done.happened(); }));

  end.join();
  close(connection);
  close(listener);
}

TEST_F(AttachmentTest, WritesOneLineForEachChangeNotForEachAttempt) {
  const std::unique_ptr<Attachment> attachment = Start({});
  ASSERT_TRUE(EventuallyOnTheClock([this] { return log().size() == 1; }));
  for (int i = 0; i < 100; ++i) clock_.Advance(absl::Seconds(2));
  EXPECT_THAT(log(), ElementsAre(HasSubstr("not attached: cannot connect to " + path_)));

  {
    Sidecar sidecar(path_);
    ASSERT_TRUE(EventuallyOnTheClock([&] { return attachment->attached_as() == "shop"; }));
  }
  ASSERT_TRUE(EventuallyOnTheClock([&] { return log().size() == 3; }));
  EXPECT_EQ(attachment->attached_as(), "");
  for (int i = 0; i < 100; ++i) clock_.Advance(absl::Seconds(2));
  EXPECT_THAT(log(), ElementsAre(HasSubstr("not attached"), HasSubstr("attached as shop"),
                                 HasSubstr("not attached: the sidecar ended the connection")));

  Sidecar again(path_);
  EXPECT_TRUE(EventuallyOnTheClock([&] { return attachment->attached_as() == "shop"; }));
}

TEST_F(AttachmentTest, EndsPromptlyWhenTheSidecarNeverAnswers) {
  const int listener = Listen();
  {
    const std::unique_ptr<Attachment> attachment = Start({});
    EXPECT_TRUE(EventuallyOnTheClock([this] { return log().size() == 1; }));
    EXPECT_THAT(log(), ElementsAre(HasSubstr("does not answer")));
  }
  close(listener);
}

TEST_F(AttachmentTest, SaysWhatElseAnswersOnTheSocket) {
  const int listener = Listen();
  const std::unique_ptr<Attachment> attachment = Start({});
  const int connection = accept(listener, nullptr, nullptr);
  ASSERT_THAT(attach::WriteLine(connection, "220 mail.example.com ESMTP\n"), IsOk());
  EXPECT_TRUE(Eventually([this] { return log().size() == 1; }));
  EXPECT_THAT(log(), ElementsAre(HasSubstr("it answers \"220 mail.example.com ESMTP\", as no chanpoold does")));
  close(connection);
  close(listener);
}

TEST_F(AttachmentTest, TrustsNoSidecarOfAnotherUser) {
  ASSERT_EQ(chmod(folder_.c_str(), 0777), 0);
  // Of this thread alone, and what the kernel tells is who called listen().
  if (syscall(SYS_setresuid, -1, 65534, -1) != 0) {
    GTEST_SKIP() << "only root, and not in a sandbox of one user, can listen as somebody else";
  }
  const int listener = Listen();
  ASSERT_EQ(syscall(SYS_setresuid, -1, 0, -1), 0);

  const std::unique_ptr<Attachment> attachment = Start({});

  EXPECT_TRUE(Eventually([this] { return log().size() == 1; }));
  EXPECT_THAT(log(), ElementsAre(HasSubstr("is served by uid 65534")));
  close(listener);
}

TEST_F(AttachmentTest, RefusesNamesThatAreNone) {
  EXPECT_THAT(Attachment::Start(Options("My Shop"), {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"My Shop\" is no name for an application")));
  EXPECT_THAT(Attachment::Start(Options(), {NewPool("Orders")}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Attachment::Start(Options(), {NewPool("orders"), NewPool("orders")}),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(AttachmentTest, DoesNothingInAForkedChildAndGoesOnInTheParent) {
  Sidecar sidecar(path_);
  auto attachment = Attachment::Start(Options(), {NewPool("orders")});
  ASSERT_THAT(attachment, IsOk());
  ASSERT_TRUE(Eventually([&] { return sidecar.PoolNames().size() == 1; }));

  const pid_t child = fork();
  if (child == 0) {
    const bool refused = (*attachment)->Remove("orders").code() == absl::StatusCode::kFailedPrecondition;
    attachment->reset();
    _exit(refused ? 0 : 1);
  }
  int status = -1;
  EXPECT_TRUE(Eventually([&] { return waitpid(child, &status, WNOHANG) == child; })) << "the child hangs";
  EXPECT_EQ(status, 0);
  EXPECT_EQ((*attachment)->attached_as(), "shop");
  ASSERT_THAT((*attachment)->Add(NewPool("payments")), IsOk());
  EXPECT_TRUE(Eventually([&] { return sidecar.PoolNames().size() == 2; }));
}

}  // namespace
}  // namespace chanpool
