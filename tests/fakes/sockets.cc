#include "tests/fakes/sockets.h"

#include <dirent.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace chanpool::testing {
namespace {

// Adds the inodes of the sockets in `table` (/proc/net/tcp, tcp6) that are ESTABLISHED to `port`.
void AddEstablished(const std::string& table, int port, std::set<std::string>& inodes) {
  const std::string far_port = absl::StrFormat(":%04X", port);
  std::ifstream lines(table);
  std::string line;
  while (std::getline(lines, line)) {
    // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ...
    const std::vector<std::string> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (fields.size() < 10 || fields[3] != "01" || !absl::EndsWith(fields[2], far_port)) continue;
    inodes.insert(fields[9]);
  }
}

}  // namespace

int EstablishedSocketsTo(int port) {
  std::set<std::string> inodes;
  AddEstablished("/proc/self/net/tcp", port, inodes);
  AddEstablished("/proc/self/net/tcp6", port, inodes);
  // Other processes' sockets are in the tables too: only what one of our descriptors points to is ours.
  int ours = 0;
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return -1;
  while (const dirent* entry = readdir(folder)) {
    char link[64] = {};
    if (readlink(absl::StrCat("/proc/self/fd/", entry->d_name).c_str(), link, sizeof(link) - 1) <= 0) continue;
    absl::string_view inode = link;
    if (!absl::ConsumePrefix(&inode, "socket:[") || !absl::ConsumeSuffix(&inode, "]")) continue;
    ours += inodes.erase(std::string(inode)) > 0;
  }
  closedir(folder);
  return ours;
}

}  // namespace chanpool::testing
