// PoolAdmin over a real server in this process, with pools that need no network and a clock that moves when told.
//
//   class MyTest : public AdminFixture {};
//   AddPool("orders", SmallPool());
//   v1::GetPoolResponse response;
//   EXPECT_THAT(Call(&Stub::GetPool, request, &response), IsOk());
#ifndef CHANPOOL_TESTS_ADMIN_ADMIN_FIXTURE_H_
#define CHANPOOL_TESTS_ADMIN_ADMIN_FIXTURE_H_

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "chanpool/admin/v1/pool_admin.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "pool/core/mutex.h"
#include "pool/core/pool.h"
#include "pool/testing/closers.h"
#include "pool/testing/fake_clock.h"
#include "pool/testing/fake_target.h"
#include "server/admin/event_log.h"
#include "server/admin/health_service.h"
#include "server/admin/managed_pool.h"
#include "server/admin/pool_admin.h"
#include "server/admin/pool_admin_service.h"
#include "server/admin/pool_registry.h"
#include "server/admin/reflection_service.h"

namespace chanpool::admin {

// Answers as told. Thread-safe as far as tests need it: told before it is asked.
class FakeConfig : public ConfigSource {
 public:
  absl::StatusOr<v1::GetConfigResponse> Get(v1::ConfigView view) override;
  absl::StatusOr<v1::ReloadConfigResponse> Reload(const v1::ReloadConfigRequest& request,
                                                  const Caller& caller) override;
  void Describe(v1::Instance& instance) override;

  absl::Status reload_error;  // OK: the reload succeeds.
  std::string reloaded_by;
  std::function<void()> during_reload;  // Null: nothing.
};

// One attached process, "shop", with the pool "carts". Thread-safe: what it answers may be told between two calls.
class FakeRemote : public RemoteProcesses {
 public:
  struct Answers {
    v1::Pool pool;                          // "carts"
    std::vector<v1::Operation> operations;  // Of "shop": one, unless told otherwise.
    absl::Status call_error;                // OK: calls succeed.
    std::function<void()> during_call;      // Null: nothing.
  };

  FakeRemote();
  std::vector<v1::AttachedProcess> Processes() override;
  std::vector<v1::Pool> Pools() override;
  absl::optional<v1::Pool> FindPool(absl::string_view name) override;
  std::vector<v1::PoolStats> Stats() override;
  std::vector<v1::Operation> Operations() override;
  void Call(absl::string_view process, absl::string_view method, const google::protobuf::Message& request,
            const Caller& caller, absl::Time deadline, google::protobuf::Message* response,
            std::function<void(absl::Status)> done) override;

  void Tell(const std::function<void(Answers&)>& change);
  // The last call: "shop DrainPool".
  std::string called() const;

  std::atomic<int> asked{0};       // How often.
  std::atomic<bool> ended{false};  // Whether operations/1 of the process has.

 private:
  Answers answers() const;

  mutable Mutex mu_;
  Answers answers_ ABSL_GUARDED_BY(mu_);
  std::string called_ ABSL_GUARDED_BY(mu_);
};

class AdminFixture : public ::testing::Test {
 protected:
  using Stub = v1::PoolAdmin::Stub;
  AdminFixture() = default;
  ~AdminFixture() override;

  // Before StartServer.
  void UseConfig() { use_config_ = true; }
  void UseRemote() { use_remote_ = true; }
  void Authorize(admin::Authorize authorize) { authorize_ = std::move(authorize); }
  // Once; Call does it where it is still to be done.
  void StartServer();

  // Two connections at most, two places each, nothing that happens by itself.
  static PoolOptions SmallPool();
  std::shared_ptr<Pool> AddPool(const std::string& name, const PoolOptions& options = SmallPool());
  // All that the pools' closer has to do.
  void Settle() { closer_.RunAll(); }

  // For the calls after it: "viewer", "operator" (as it begins), "nobody" who has no role, or "" who is not known. That
  // is the identity as well.
  void Be(const std::string& role) { role_ = role; }
  std::unique_ptr<grpc::ClientContext> NewContext();
  std::shared_ptr<grpc::Channel> channel();
  Stub& stub();

  template <typename Request, typename Response>
  grpc::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    const auto context = NewContext();
    return (stub().*method)(context.get(), request, response);
  }
  // The same where the answer must be OK.
  template <typename Request, typename Response>
  Response Get(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request) {
    Response response;
    const grpc::Status status = Call(method, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_code() << ": " << status.error_message();
    return response;
  }
  v1::Pool GetPool(const std::string& name);
  v1::Operation GetOperation(const std::string& name);
  // Of the events so far.
  std::vector<std::string> MessagesOf(v1::EventType type) const;

  FakeClock clock_;
  FakeTarget target_;
  ManualCloser closer_;
  EventLog events_{&clock_};
  PoolRegistry registry_{&clock_, &events_};
  FakeConfig config_;
  FakeRemote remote_;
  std::map<std::string, std::shared_ptr<Pool>> pools_;
  std::shared_ptr<PoolAdmin> admin_;
  std::unique_ptr<grpc::Server> server_;

 private:
  bool use_config_ = false;
  bool use_remote_ = false;
  admin::Authorize authorize_;
  std::string role_ = "operator";
  std::unique_ptr<PoolAdminService> service_;
  std::unique_ptr<HealthService> health_;
  std::unique_ptr<ReflectionService> reflection_;
  std::unique_ptr<ReflectionService> reflection_alpha_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Stub> stub_;
};

// What an error carries, decoded from the trailer.
google::rpc::ErrorInfo InfoOf(const grpc::Status& status);
google::rpc::BadRequest BadRequestOf(const grpc::Status& status);
template <typename Detail>
bool FindDetail(const grpc::Status& status, Detail* detail) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return false;
  for (const auto& any : details.details()) {
    if (any.UnpackTo(detail)) return true;
  }
  return false;
}
// Its fields, in order.
std::vector<std::string> FieldsOf(const grpc::Status& status);

}  // namespace chanpool::admin
#endif  // CHANPOOL_TESTS_ADMIN_ADMIN_FIXTURE_H_
