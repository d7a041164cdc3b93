#include "server/sidecar/built_in_config.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "chanpool/admin/v1/default_socket.h"

namespace chanpool::sidecar {
namespace {

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

bool Usable(const std::string& folder) {
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return false;
  struct stat facts;
  return lstat(folder.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) && facts.st_uid == geteuid() &&
         access(folder.c_str(), W_OK | X_OK) == 0;
}

}  // namespace

absl::StatusOr<std::string> DefaultAdminSocket() {
  const std::vector<std::string> places = admin::DefaultSockets("admin.sock");
  for (const std::string& place : places) {
    if (Usable(FolderOf(place))) return place;
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "none of ", absl::StrJoin(places, ", "),
      " can be made: their folders belong to others; give a configuration with admin.listeners[0].uds.path"));
}

absl::StatusOr<chanpool::config::v1::Config> BuiltInConfig() {
  const absl::StatusOr<std::string> socket = DefaultAdminSocket();
  if (!socket.ok()) return socket.status();
  chanpool::config::v1::Config config;
  config.set_version(1);
  config.mutable_admin()->add_listeners()->mutable_uds()->set_path(*socket);
  config.mutable_attach()->mutable_uds()->set_path(absl::StrCat(FolderOf(*socket), "/attach.sock"));
  config.mutable_http()->mutable_listen()->set_port(kDefaultHttpPort);
  return config;
}

}  // namespace chanpool::sidecar
