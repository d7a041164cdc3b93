// An attached application for tests of the sidecar's side: says what it is told to say, hangs when it is told to.
//
//   FakeApplication shop("shop");
//   shop.AddPool("orders");
//   attached.Accept(shop.Dial(), {.pid = 12, .uid = 1000});
//   ASSERT_EQ(shop.Serve(), "shop");            // the name that it was given
//
// It is the real thing at the socket and on the wire; only the service behind it is made up.
#ifndef CHANPOOL_TESTS_ATTACH_FAKE_APPLICATION_H_
#define CHANPOOL_TESTS_ATTACH_FAKE_APPLICATION_H_

#include <grpcpp/server.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "chanpool/admin/v1/pool_admin.grpc.pb.h"
#include "pool/core/mutex.h"

namespace chanpool::testing {

// Thread-safe.
class FakeApplication {
 public:
  explicit FakeApplication(std::string name, std::string nonce = "0123456789abcdef");
  ~FakeApplication();  // Ends its connection.

  // The far end of a new connection, for AttachedProcesses::Accept. The first line is on its way already.
  int Dial();
  // Waits for the answer, and serves PoolAdmin if it is a good one. The name that the sidecar gave, or its refusal.
  absl::StatusOr<std::string> Serve();
  // Closes the connection, as the end of a process does.
  void End();

  void AddPool(const std::string& name);
  void AddOperation(const std::string& id, const std::string& pool);
  void EndOperation(const std::string& id);
  // From now on calls get no answer, or get one again; those that wait get theirs.
  void Hang();
  void Answer();
  // Calls that wait for an answer.
  size_t hanging() const;
  // Tells whoever watches events; `token` goes with it.
  void Emit(chanpool::admin::v1::Event event, const std::string& token);
  // How many watch, and with which token the last one began.
  size_t watchers() const;
  std::string last_token() const;
  // The requests that came in by DrainPool, and their metadata "caller role".
  std::vector<chanpool::admin::v1::DrainPoolRequest> drains() const;
  std::vector<std::string> callers() const;
  int asked() const;  // ListPools.

 private:
  class Service;
  const std::string name_;
  const std::string nonce_;
  const std::unique_ptr<Service> service_;
  const std::unique_ptr<grpc::Server> server_;
  int fd_ = -1;       // Ours, until gRPC has it.
  int watched_ = -1;  // A duplicate of it.
};

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_ATTACH_FAKE_APPLICATION_H_
