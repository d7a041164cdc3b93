#include "server/sidecar/file_config.h"

#include <errno.h>
#include <fcntl.h>
#include <google/protobuf/util/time_util.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/admin/pool_options_proto.h"
#include "server/admin/proto_time.h"
#include "server/admin/status_details.h"
#include "server/config/config_diff.h"
#include "server/config/config_error.h"
#include "server/config/config_reader.h"
#include "server/config/config_writer.h"
#include "server/config/diagnostics.h"
#include "server/config/effective_options.h"
#include "server/sidecar/tls_check.h"

namespace chanpool::sidecar {
namespace {

using ::chanpool::admin::v1::ConfigDiagnostic;
using ::chanpool::admin::v1::ConfigView;
using ::chanpool::admin::v1::Event;
using ::chanpool::admin::v1::FieldChange;
using ::chanpool::admin::v1::GetConfigResponse;
using ::chanpool::admin::v1::ReloadConfigRequest;
using ::chanpool::admin::v1::ReloadConfigResponse;
using ::chanpool::config::v1::Config;

// Of a configuration file; the reader's own maximum.
constexpr size_t kMaxFileBytes = 1 << 20;

absl::Status NoFile() {
  return admin::ErrorBuilder(absl::StatusCode::kFailedPrecondition, "NO_CONFIG_FILE",
                             "this process runs on its built-in configuration; start it with --config FILE to have one "
                             "that can be reloaded")
      .Build();
}

absl::Status NeedsRestart(const std::vector<FieldChange>& changes) {
  std::vector<std::string> paths;
  for (const FieldChange& change : changes) {
    if (change.reload_class() == chanpool::config::v1::RELOAD_CLASS_RESTART) paths.push_back(change.path());
  }
  if (paths.empty()) return absl::OkStatus();
  admin::ErrorBuilder error(absl::StatusCode::kFailedPrecondition, "FIELD_REQUIRES_RESTART",
                            absl::StrCat(absl::StrJoin(paths, ", "),
                                         " can't change while chanpoold runs; restart it, or put the old value back. ",
                                         "Nothing of the file was applied"));
  for (const std::string& path : paths) error.Precondition("RESTART", path, "read at start only");
  return error.Build();
}

}  // namespace

absl::StatusOr<std::string> ReadConfigFile(const std::string& path) {
  const auto failed = [&path](absl::string_view what) {
    const int error = errno;
    return absl::Status(absl::ErrnoToStatusCode(error), absl::StrCat(what, " ", path, ": ", std::strerror(error)));
  };
  // Non-blocking: opening a pipe must not wait for somebody to write.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return failed("cannot open");
  const auto close_fd = absl::MakeCleanup([fd] { close(fd); });
  struct stat facts;
  if (fstat(fd, &facts) != 0) return failed("cannot look at");
  if (!S_ISREG(facts.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file; give the path of a YAML file"));
  }
  std::string text;
  char buffer[16 << 10];
  for (;;) {
    const ssize_t length = read(fd, buffer, sizeof(buffer));
    if (length < 0) return failed("cannot read");
    if (length == 0) return text;
    text.append(buffer, length);
    if (text.size() > kMaxFileBytes) {
      return absl::InvalidArgumentError(absl::StrCat(path, " has more than ", kMaxFileBytes, " bytes"));
    }
  }
}

FileConfig::FileConfig(Options options, PoolSet* pools, admin::EventLog* events, Clock* clock)
    : options_(std::move(options)), events_(events), clock_(clock), pools_(pools) {}

absl::Status FileConfig::Load() {
  MutexLock lock(&mu_);
  Config config = options_.built_in;
  std::string text;
  if (!options_.path.empty()) {
    absl::StatusOr<std::string> read = ReadConfigFile(options_.path);
    if (!read.ok()) return read.status();
    text = *std::move(read);
    config::ReadResult result = config::ReadConfig(text, options_.path, LooksAtTlsFiles(clock_));
    if (!result.diagnostics.empty()) return config::ConfigError(result.diagnostics);
    config = std::move(result.config);
  }
  absl::StatusOr<PoolSet::Plan> plan = pools_->Prepare(config);
  if (!plan.ok()) return plan.status();
  if (absl::Status applied = pools_->Apply(*std::move(plan)).status(); !applied.ok()) return applied;
  running_ = std::move(config);
  running_text_ = std::move(text);
  generation_ = options_.path.empty() ? 0 : 1;
  in_force_since_ = clock_->WallNow();
  return absl::OkStatus();
}

Config FileConfig::running() const {
  MutexLock lock(&mu_);
  return running_;
}

absl::StatusOr<GetConfigResponse> FileConfig::Get(ConfigView view) {
  MutexLock lock(&mu_);
  GetConfigResponse response;
  response.set_generation(generation_);
  response.set_path(options_.path);
  switch (view) {
    case ConfigView::CONFIG_VIEW_FILE: {
      if (options_.path.empty()) return NoFile();
      absl::StatusOr<std::string> text = ReadConfigFile(options_.path);
      if (!text.ok()) return text.status();
      config::ReadResult result = config::ReadConfig(*text, options_.path);
      if (!result.diagnostics.empty()) return config::ConfigError(result.diagnostics);
      *response.mutable_config() = std::move(result.config);
      response.set_yaml(*std::move(text));
      return response;
    }
    case ConfigView::CONFIG_VIEW_DEFAULTS:
      *response.mutable_config() = config::DefaultConfig();
      *response.mutable_config()->mutable_defaults() = admin::ToProto(PoolOptions());
      break;
    default:
      *response.mutable_config() = running_;
      break;
  }
  response.set_yaml(config::WriteYaml(response.config()));
  return response;
}

absl::StatusOr<ReloadConfigResponse> FileConfig::Change(const ReloadConfigRequest& request,
                                                        std::vector<std::shared_ptr<ChannelPool>>& gone) {
  if (options_.path.empty()) return NoFile();
  if (request.expected_generation() != 0 && request.expected_generation() != generation_) {
    return admin::ErrorBuilder(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                               absl::StrCat("generation ", request.expected_generation(), " was expected, and ",
                                            generation_, " holds; look at what changed and try again"))
        .Fact("generation", absl::StrCat(generation_))
        .Build();
  }
  absl::StatusOr<std::string> text = ReadConfigFile(options_.path);
  if (!text.ok()) {
    return admin::ErrorBuilder(absl::StatusCode::kFailedPrecondition, "CONFIG_UNREADABLE", text.status().message())
        .Build();
  }
  config::ReadResult result = config::ReadConfig(*text, options_.path, LooksAtTlsFiles(clock_));
  if (!result.diagnostics.empty()) return config::ConfigError(result.diagnostics);

  ReloadConfigResponse response;
  for (const ConfigDiagnostic& warning : result.warnings) *response.add_warnings() = warning;
  const std::vector<FieldChange> changes = config::Diff(running_, result.config);
  if (absl::Status allowed = NeedsRestart(changes); !allowed.ok()) return allowed;
  response.mutable_changes()->Add(changes.begin(), changes.end());
  for (const FieldChange& change : changes) {
    const std::pair<std::string, std::string> path =
        absl::StrSplit(absl::StripPrefix(change.path(), "pools/"), absl::MaxSplits('.', 1));
    const std::string hidden_by = pools_->OverriddenBy(path.first, path.second);
    if (hidden_by.empty()) continue;
    ConfigDiagnostic& warning = *response.add_warnings();
    warning.set_file(options_.path);
    warning.set_path(change.path());
    warning.set_code("HIDDEN_BY_OVERRIDE");
    warning.set_message(absl::StrCat("an operator's override keeps it at ", hidden_by, "; the file's ",
                                     change.new_value(), " holds when that ends"));
    warning.set_hint(absl::StrCat("poolctl set ", path.first, " ", path.second, "-"));
  }
  const absl::Time begun = clock_->Now();
  absl::StatusOr<PoolSet::Plan> plan = pools_->Prepare(result.config, request.validate_only());
  if (!plan.ok()) {
    ConfigDiagnostic diagnostic;
    diagnostic.set_file(options_.path);
    diagnostic.set_code("REFUSED");
    diagnostic.set_message(std::string(plan.status().message()));
    return config::ConfigError({diagnostic});
  }
  if (request.validate_only()) {
    response.set_generation(generation_);
    return response;
  }

  absl::StatusOr<PoolSet::Outcome> outcome = pools_->Apply(*std::move(plan));
  if (!outcome.ok()) return outcome.status();
  *response.mutable_apply_duration() = admin::ToProto(clock_->Now() - begun);
  for (const std::string& name : outcome->added) response.add_added_pools(absl::StrCat("pools/", name));
  for (const std::string& name : outcome->removed) response.add_removed_pools(absl::StrCat("pools/", name));
  for (const std::string& name : outcome->recycled) response.add_recycled_pools(absl::StrCat("pools/", name));
  running_ = std::move(result.config);
  running_text_ = *std::move(text);
  if (!changes.empty()) {
    ++generation_;
    in_force_since_ = clock_->WallNow();
  }
  response.set_generation(generation_);
  gone = std::move(outcome->gone);
  return response;
}

absl::StatusOr<ReloadConfigResponse> FileConfig::Reload(const ReloadConfigRequest& request,
                                                        const admin::Caller& caller) {
  absl::StatusOr<ReloadConfigResponse> response = absl::UnknownError("");
  std::vector<std::shared_ptr<ChannelPool>> gone;  // Outlives the lock.
  {
    MutexLock lock(&mu_);
    response = Change(request, gone);
    if (request.validate_only()) return response;
    // The caller decided on what does not hold any more; of the file nothing was read.
    if (absl::IsAborted(response.status())) return response;
    chanpool::admin::v1::Reload& last = last_reload_.emplace();
    *last.mutable_time() = admin::ToProto(clock_->WallNow());
    last.set_ok(response.ok());
    if (response.ok()) {
      last.set_message(response->changes().empty()
                           ? "nothing changed"
                           : absl::StrCat(response->changes_size(), " changes, generation ", response->generation()));
      last.set_diagnostics(response->warnings_size());
    } else {
      last.set_message(std::string(response.status().message()));
      last.set_diagnostics(config::DiagnosticsOf(response.status()).size());
    }
  }
  Event event;
  event.set_type(response.ok() ? chanpool::admin::v1::EVENT_TYPE_CONFIG_RELOADED
                               : chanpool::admin::v1::EVENT_TYPE_CONFIG_REFUSED);
  event.set_severity(response.ok() ? chanpool::admin::v1::SEVERITY_INFO : chanpool::admin::v1::SEVERITY_ERROR);
  event.set_resource("config");
  event.set_actor(caller.identity);
  event.set_message(response.ok() ? absl::StrCat("generation ", response->generation(), ", ", response->changes_size(),
                                                 " changes", request.reason().empty() ? "" : ": ", request.reason())
                                  : std::string(response.status().message()));
  events_->Append(std::move(event));
  return response;
}

void FileConfig::Describe(chanpool::admin::v1::Instance& instance) {
  // Before the lock: GetInstance must not wait for a disk behind a reload, nor a reload behind it.
  const absl::StatusOr<std::string> on_disk =
      options_.path.empty() ? absl::StatusOr<std::string>("") : ReadConfigFile(options_.path);
  MutexLock lock(&mu_);
  instance.set_config_generation(generation_);
  instance.set_config_path(options_.path);
  if (!options_.path.empty()) *instance.mutable_config_time() = admin::ToProto(in_force_since_);
  instance.set_config_drift(!on_disk.ok() || *on_disk != running_text_);
  if (last_reload_.has_value()) *instance.mutable_last_reload() = *last_reload_;
}

}  // namespace chanpool::sidecar
