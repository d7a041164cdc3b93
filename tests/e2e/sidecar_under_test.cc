#include "tests/e2e/sidecar_under_test.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"

namespace chanpool::testing {
namespace {

// The number after `before` in `text`.
int NumberAfter(const std::string& text, const std::string& before) {
  const size_t at = text.rfind(before);
  return at == std::string::npos ? 0 : std::atoi(text.c_str() + at + before.size());
}

}  // namespace

std::string BinaryPath(const std::string& place) {
  const char* const files = std::getenv("TEST_SRCDIR");
  const char* const workspace = std::getenv("TEST_WORKSPACE");
  if (files == nullptr || workspace == nullptr) return absl::StrCat("bazel-bin/", place);
  return absl::StrCat(files, "/", workspace, "/", place);
}

std::string Tool(const std::string& name) {
  std::string path = FindTool(name);
  if (path.empty()) ADD_FAILURE() << name << " is not installed; run scripts/install_tools.sh " << name;
  return path;
}

SidecarUnderTest::SidecarUnderTest(std::string pools) {
  WriteConfig(pools);
  Start();
}

void SidecarUnderTest::WriteConfig(const std::string& pools, const std::string& extra) {
  folder_.Write("chanpoold.yaml",
                absl::StrCat("version: 1\nadmin:\n  listeners:\n    - uds: {path: ", admin_socket(),
                             "}\n    - tcp: {port: 0}\nhttp: {listen: {port: 0}}\nattach: {uds: {path: ",
                             attach_socket(), "}}\npools:\n", pools, extra));
}

void SidecarUnderTest::Start() {
  program_ = nullptr;
  program_ =
      std::make_unique<Program>(std::vector<std::string>{BinaryPath("server/chanpoold"), "--config", config_path()});
  ASSERT_TRUE(program_->AwaitOutput(" ready")) << program_->output();
  http_port_ = NumberAfter(program_->output(), "http://127.0.0.1:");
  tcp_port_ = NumberAfter(program_->output(), "tcp:127.0.0.1:");
}

Finished SidecarUnderTest::Grpcurl(const std::string& method, const std::string& request) const {
  return GrpcurlRaw({"-unix", "-d", request, admin_socket(), absl::StrCat("chanpool.admin.v1.PoolAdmin/", method)});
}

Finished SidecarUnderTest::GrpcurlAsViewer(const std::string& method, const std::string& request) const {
  return GrpcurlRaw(
      {"-d", request, absl::StrCat("127.0.0.1:", tcp_port_), absl::StrCat("chanpool.admin.v1.PoolAdmin/", method)});
}

Finished SidecarUnderTest::GrpcurlRaw(const std::vector<std::string>& arguments) const {
  std::vector<std::string> all = {Tool("grpcurl"), "-plaintext", "-max-time", "20"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return RunToEnd(std::move(all));
}

Finished SidecarUnderTest::Poolctl(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {BinaryPath("client/poolctl"), "-e", absl::StrCat("unix:", admin_socket())});
  return RunToEnd(std::move(arguments));
}

std::string SidecarUnderTest::Http(const std::string& path) const {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(http_port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request = absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    char buffer[4096];
    ssize_t length = 0;
    while ((length = read(fd, buffer, sizeof(buffer))) > 0) answer.append(buffer, length);
  }
  close(fd);
  return answer;
}

}  // namespace chanpool::testing
