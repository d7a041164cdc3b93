// Where in the file each value of a configuration stands, for checks that look at the message and not at the file.
//
//   const Place* place = sources.Find("pools[2].max_connections");   // null: not in the file, or not readable
#ifndef CHANPOOL_SERVER_CONFIG_SOURCE_MAP_H_
#define CHANPOOL_SERVER_CONFIG_SOURCE_MAP_H_

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "server/config/diagnostics.h"

namespace chanpool::config {

// One thread at a time.
class SourceMap {
 public:
  // `path` as in ConfigDiagnostic; "" is the whole.
  void Read(const std::string& path, Place place) { places_.emplace(path, place); }
  // It is there, and an error was told: no check shall draw conclusions from what the message has in its place.
  void Unreadable(const std::string& path) { unreadable_.insert(path); }

  const Place* Find(const std::string& path) const {
    const auto found = places_.find(path);
    return found == places_.end() ? nullptr : &found->second;
  }
  bool IsUnreadable(const std::string& path) const { return unreadable_.count(path) > 0; }

 private:
  std::unordered_map<std::string, Place> places_;
  std::unordered_set<std::string> unreadable_;
};

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_SOURCE_MAP_H_
