#include "chanpool/admin/v1/default_socket.h"

#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace chanpool::admin {

std::vector<std::string> DefaultSockets(absl::string_view name) {
  std::vector<std::string> paths = {absl::StrCat("/run/chanpool/", name)};
  const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && runtime[0] == '/') paths.push_back(absl::StrCat(runtime, "/chanpool/", name));
  paths.push_back(absl::StrCat("/tmp/chanpool-", geteuid(), "/", name));
  return paths;
}

}  // namespace chanpool::admin
