#include "tests/interop/interop_server.h"

#include <gtest/gtest.h>

#include "absl/strings/string_view.h"

namespace chanpool::testing {
namespace {

constexpr char kPythonServer[] = "tests/interop/python_server.py";

struct Start {
  const char* tool;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  const char* said_before_port;
};

Start StartOf(ServerLanguage language) {
  switch (language) {
    case ServerLanguage::kGo:
      // At this level it tells its port.
      return {"interop_go_server", {"-port=0"}, {"GRPC_GO_LOG_SEVERITY_LEVEL=info"}, "interop server listening on "};
    case ServerLanguage::kPython:
      return {"grpcio_python", {kPythonServer}, {}, "serving on port "};
  }
  return {};
}

}  // namespace

const char* ToString(ServerLanguage language) {
  switch (language) {
    case ServerLanguage::kGo:
      return "Go";
    case ServerLanguage::kPython:
      return "Python";
  }
  return "Unknown";
}

InteropServer::InteropServer(ServerLanguage language, const std::vector<std::string>& flags) {
  const Start start = StartOf(language);
  const std::string tool = FindTool(start.tool);
  if (tool.empty()) {
    ADD_FAILURE() << start.tool << " is not installed; run scripts/install_tools.sh " << start.tool;
  }
  std::vector<std::string> command = {tool};
  command.insert(command.end(), start.arguments.begin(), start.arguments.end());
  command.insert(command.end(), flags.begin(), flags.end());
  program_ = std::make_unique<Program>(command, start.environment);
  size_t line = std::string::npos;
  if (program_->AwaitOutput(start.said_before_port)) line = program_->output().find(start.said_before_port);
  if (line == std::string::npos || !program_->AwaitOutput("\n", line)) {
    ADD_FAILURE() << start.tool << " does not serve: " << program_->output();
    return;
  }
  // "... on port 40123", "... listening on [::]:40123".
  const std::string said = program_->output();
  const size_t end = said.find('\n', line);
  const size_t port = said.find_last_of(": ", end) + 1;
  target_ = "ipv4:127.0.0.1:" + said.substr(port, end - port);
}

}  // namespace chanpool::testing
