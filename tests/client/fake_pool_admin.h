// A PoolAdmin with canned answers, on a UNIX socket and a TCP port of its own: what the command line tool is tested
// against.
//
//   FakePoolAdmin server;
//   server.pool("pools/orders")->set_stale(true);
//   Run({"-e", server.endpoint(), "get", "pools"}, env);
//   EXPECT_TRUE(server.last<v1::DrainPoolRequest>().supersede());
//
// Two pools of its own and one of an attached application, two operations, six events, a configuration; all at noon of
// 4 March 2026. A test changes what it cares about before it calls.
#ifndef CHANPOOL_TESTS_CLIENT_FAKE_POOL_ADMIN_H_
#define CHANPOOL_TESTS_CLIENT_FAKE_POOL_ADMIN_H_

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "chanpool/admin/v1/pool_admin.grpc.pb.h"

namespace chanpool::testing {

namespace v1 = ::chanpool::admin::v1;

// The time at which everything was as it is.
absl::Time Noon();

// Answers are changed before the calls that they are for; otherwise thread-safe.
class FakePoolAdmin {
 public:
  FakePoolAdmin();
  ~FakePoolAdmin();

  std::string endpoint() const;      // unix:...
  std::string tcp_endpoint() const;  // 127.0.0.1:...
  std::string socket() const;        // The path.

  std::vector<v1::Pool> pools;
  std::vector<v1::Connection> connections;
  std::vector<v1::Endpoint> endpoints;
  std::vector<v1::Resolution> resolutions;
  std::vector<v1::PoolStats> stats;  // Their histograms only for those who ask.
  v1::Explanation explanation;
  std::vector<v1::Decision> decisions;
  std::vector<v1::Call> calls;
  std::vector<v1::WatchStatsResponse> ticks;
  std::vector<v1::WatchEventsResponse> events;
  std::vector<v1::Operation> operations;
  v1::Instance instance;
  v1::GetConfigResponse config;
  std::function<void()> on_get_config;  // Before each answer; may be null.
  v1::ReloadConfigResponse reload;
  v1::Operation drain;
  v1::Operation recycle;
  // What WatchOperation sends, one after another; each step runs before its message goes out.
  struct Step {
    v1::Operation operation;
    std::function<void()> before;
  };
  std::vector<Step> watch;
  // After the last message streams stay open until the client ends them.
  std::atomic<bool> keep_open{false};
  // When set, every call fails with it. By method ("GetPool") when in the map.
  grpc::Status error;
  std::map<std::string, grpc::Status> errors;
  // Runs in each call before it is answered.
  std::function<void(const std::string& method)> on_call;

  // A test calls it before and after the calls between which it changes what is above: sockets order that, which
  // ThreadSanitizer does not see.
  void Meet() const { const std::lock_guard<std::mutex> lock(mu_); }

  v1::Pool* pool(const std::string& name);

  // The last request of that type; a default one if there was none.
  template <typename Request>
  Request last() const {
    const std::lock_guard<std::mutex> lock(mu_);
    const auto found = requests_.find(Request::descriptor()->full_name());
    Request request;
    if (found != requests_.end()) request.ParseFromString(found->second);
    return request;
  }

 private:
  class Service;

  void Remember(const google::protobuf::Message& request);
  grpc::Status ErrorOf(const std::string& method);

  mutable std::mutex mu_;
  std::map<std::string, std::string> requests_;
  std::string folder_;
  int port_ = 0;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
};

// An error as PoolAdmin sends it, with ErrorInfo and `details`.
grpc::Status ErrorWith(grpc::StatusCode code, const std::string& message, const std::string& reason,
                       const std::map<std::string, std::string>& facts = {},
                       const std::vector<const google::protobuf::Message*>& details = {});

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_CLIENT_FAKE_POOL_ADMIN_H_
