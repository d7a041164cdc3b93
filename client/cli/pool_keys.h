// Every key of a pool: its value, and who says so.
//
//   for (const PoolKey& key : KeysOf(pool, &config)) out << key.name << " " << key.value << " " << key.source;
//   absl::StatusOr<std::vector<PoolKey>> some = Select(keys, {"max_idle", "retry"});
#ifndef CHANPOOL_CLIENT_CLI_POOL_KEYS_H_
#define CHANPOOL_CLIENT_CLI_POOL_KEYS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "chanpool/admin/v1/pool.pb.h"
#include "chanpool/config/v1/config.pb.h"

namespace chanpool::cli {

// The sources. In JSON they are these words.
inline constexpr char kFromFile[] = "file";                // The pool's own entry in the file.
inline constexpr char kFromDefaults[] = "file, defaults";  // `defaults` in the file.
inline constexpr char kFromOldFile[] = "an earlier file";  // The pool is not in the file any more, and drains.
inline constexpr char kFromApplication[] = "application";  // That has the pool.
inline constexpr char kFromOverride[] = "override";        // An operator's.
inline constexpr char kBuiltIn[] = "built in";             // Nobody says anything else.
inline constexpr char kNotSet[] = "not set";               // It has no value.

struct PoolKey {
  std::string name;  // "max_idle", "retry.calls[0].max_attempts"
  std::string value;
  std::string source;
  const chanpool::admin::v1::Override* over = nullptr;  // If it is one. Of the pool that was given.
  std::string owner_source;                             // Then who says what it hides.
};

// What an operator has set `option` to ("max_idle"); null: nothing. Of `pool`.
const chanpool::admin::v1::Override* OverrideOf(const chanpool::admin::v1::Pool& pool, absl::string_view option);

// Target, channel, options, in this order. `config`: what holds where the pool is chanpoold's; null for an
// application's, of which nobody knows whether it asked for what it would have had anyway: that is kBuiltIn.
std::vector<PoolKey> KeysOf(const chanpool::admin::v1::Pool& pool, const chanpool::config::v1::Config* config);

// The keys of `wanted`, each once, in that order: "retry" is all below it. kInvalidArgument for what no pool can have
// names the nearest key.
absl::StatusOr<std::vector<PoolKey>> Select(const std::vector<PoolKey>& keys, const std::vector<std::string>& wanted);

// target, max_idle, retry, ...: where a key may begin.
std::vector<std::string> FirstKeys();

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_POOL_KEYS_H_
