// Servers of grpc.testing.TestService in other languages, each a real process on a port of its own.
//
//   InteropServer server(ServerLanguage::kGo);
//   auto stub = grpc::testing::TestService::NewStub(grpc::CreateChannel(server.target(), ...));
//
// Go: gRPC-Go's own interoperability server; Python: python_server.py on PyPI's grpcio. scripts/install_tools.sh
// installs what they need.
#ifndef CHANPOOL_TESTS_INTEROP_INTEROP_SERVER_H_
#define CHANPOOL_TESTS_INTEROP_INTEROP_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "examples/processes/program.h"

namespace chanpool::testing {

enum class ServerLanguage { kGo, kPython };

const char* ToString(ServerLanguage language);

// Killed by its destructor. One thread at a time.
class InteropServer {
 public:
  // Serves when it returns. If it cannot, the test fails with what the program said, or how to install it, and
  // target() is a name that nobody answers. `flags` are the program's own.
  explicit InteropServer(ServerLanguage language, const std::vector<std::string>& flags = {});

  const std::string& target() const { return target_; }
  // What it has said so far.
  std::string output() const { return program_->output(); }

 private:
  std::unique_ptr<Program> program_;
  std::string target_ = "ipv4:127.0.0.1:1";
};

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_INTEROP_INTEROP_SERVER_H_
