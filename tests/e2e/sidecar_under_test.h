// chanpoold as a test uses it: a configuration in a folder of its own, and grpcurl and poolctl pointed at it.
//
//   SidecarUnderTest sidecar;                              // one pool, "orders", that nobody answers
//   Finished pools = sidecar.Grpcurl("ListPools", "{}");
//   Finished table = sidecar.Poolctl({"get", "pools"});
#ifndef CHANPOOL_TESTS_E2E_SIDECAR_UNDER_TEST_H_
#define CHANPOOL_TESTS_E2E_SIDECAR_UNDER_TEST_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/program.h"

namespace chanpool::testing {

// One thread at a time.
class SidecarUnderTest {
 public:
  // `pools` is the YAML below "pools:". Starts it, and waits until it is ready.
  explicit SidecarUnderTest(std::string pools = "  - {name: orders, target: \"ipv4:127.0.0.1:1\"}\n");

  // Writes the configuration anew with these pools, for a reload. `extra` is put at its end.
  void WriteConfig(const std::string& pools, const std::string& extra = "");
  // Starts it again after it has ended.
  void Start();

  Program& program() { return *program_; }
  const std::string& folder() const { return folder_.path(); }
  std::string config_path() const { return folder_.path() + "/chanpoold.yaml"; }
  std::string admin_socket() const { return folder_.path() + "/admin.sock"; }
  std::string attach_socket() const { return folder_.path() + "/attach.sock"; }
  int http_port() const { return http_port_; }
  int tcp_port() const { return tcp_port_; }

  // PoolAdmin/`method`, over the UNIX socket, or over TCP, where everybody is a viewer.
  Finished Grpcurl(const std::string& method, const std::string& request) const;
  Finished GrpcurlAsViewer(const std::string& method, const std::string& request) const;
  // grpcurl with these arguments after -plaintext.
  Finished GrpcurlRaw(const std::vector<std::string>& arguments) const;
  Finished Poolctl(std::vector<std::string> arguments) const;
  // A GET; the whole answer.
  std::string Http(const std::string& path) const;

 private:
  TemporaryFolder folder_;
  std::unique_ptr<Program> program_;
  int http_port_ = 0;
  int tcp_port_ = 0;
};

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_E2E_SIDECAR_UNDER_TEST_H_
