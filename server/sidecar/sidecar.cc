#include "server/sidecar/sidecar.h"

#include <future>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "chanpool/admin/v1/pool_admin.pb.h"
#include "chanpool/admin/v1/version.h"
#include "pool/core/clock.h"
#include "server/admin/managed_pool.h"
#include "server/config/config_error.h"
#include "server/config/diagnostics.h"
#include "server/sidecar/built_in_config.h"
#include "server/sidecar/socket_mode.h"
#include "server/web/metrics_text.h"
#include "server/web/standard_pages.h"

namespace chanpool::sidecar {
namespace {

using ::chanpool::admin::v1::GetInstanceRequest;
using ::chanpool::admin::v1::GetInstanceResponse;
using ::chanpool::admin::v1::ListPoolsRequest;
using ::chanpool::admin::v1::ListPoolsResponse;

// The largest page of a list.
constexpr int kPage = 1000;

// The answer of a call that replies from another thread, perhaps.
template <typename Response, typename Request>
absl::StatusOr<Response> Await(admin::PoolAdmin& admin,
                               void (admin::PoolAdmin::*call)(const Request&, const admin::CallContext&,
                                                              admin::Reply<Response>),
                               const Request& request) {
  std::promise<absl::StatusOr<Response>> answer;
  (admin.*call)(request, {{"chanpoold", admin::Role::ROLE_VIEWER}},
                [&answer](absl::StatusOr<Response> response) { answer.set_value(std::move(response)); });
  return answer.get_future().get();
}

std::vector<chanpool::admin::v1::Pool> AllPools(admin::PoolAdmin& admin) {
  std::vector<chanpool::admin::v1::Pool> pools;
  ListPoolsRequest request;
  request.set_page_size(kPage);
  for (;;) {
    absl::StatusOr<ListPoolsResponse> page = Await<ListPoolsResponse>(admin, &admin::PoolAdmin::ListPools, request);
    if (!page.ok()) break;
    for (auto& pool : *page->mutable_pools()) pools.push_back(std::move(pool));
    if (page->next_page_token().empty()) break;
    request.set_page_token(page->next_page_token());
  }
  return pools;
}

// What /metrics tells: all of it or an error, for half of it would look like another process.
absl::StatusOr<web::MetricsSnapshot> Snapshot(admin::PoolAdmin& admin) {
  web::MetricsSnapshot snapshot;
  absl::StatusOr<GetInstanceResponse> instance =
      Await<GetInstanceResponse>(admin, &admin::PoolAdmin::GetInstance, GetInstanceRequest());
  if (!instance.ok()) return instance.status();
  snapshot.instance = std::move(*instance->mutable_instance());
  snapshot.pools = AllPools(admin);
  snapshot.stats = admin.StatsOfPresent({}, {/*histograms=*/true, /*methods=*/true});
  return snapshot;
}

// Ready as long as it does not end; that a target is down is said, and no reason to ask somebody else.
web::Readiness ReadinessOf(admin::PoolAdmin& admin) {
  web::Readiness readiness;
  readiness.ready = !admin.stopping();
  if (!readiness.ready) readiness.reasons.push_back("chanpoold is ending");
  for (const chanpool::admin::v1::Pool& pool : AllPools(admin)) {
    if (pool.stale() || pool.health() != chanpool::admin::v1::HEALTH_UNAVAILABLE) continue;
    readiness.reasons.push_back(absl::StrCat(pool.name(), ": no connection to its target"));
  }
  return readiness;
}

// The engines of a registry's pools.
std::vector<std::shared_ptr<Pool>> Engines(const admin::PoolRegistry& registry) {
  std::vector<std::shared_ptr<Pool>> engines;
  for (const std::shared_ptr<admin::ManagedPool>& managed : registry.List())
    engines.push_back(managed->pool().shared_from_this());
  return engines;
}

}  // namespace

Sidecar::Sidecar(Options options)
    : options_(std::move(options)),
      events_(RealClock()),
      registry_(std::make_shared<admin::PoolRegistry>(RealClock(), &events_)),
      pools_(registry_.get()) {}

absl::StatusOr<std::unique_ptr<Sidecar>> Sidecar::Start(Options options) {
  std::unique_ptr<Sidecar> sidecar(new Sidecar(std::move(options)));
  if (absl::Status opened = sidecar->Open(); !opened.ok()) return opened;
  return sidecar;
}

absl::Status Sidecar::Open() {
  FileConfig::Options source;
  source.path = options_.config_path;
  if (source.path.empty()) {
    absl::StatusOr<chanpool::config::v1::Config> built_in = BuiltInConfig();
    if (!built_in.ok()) return built_in.status();
    source.built_in = *std::move(built_in);
    options_.log("no --config: running on the built-in configuration, without pools of its own");
  }
  config_ = std::make_unique<FileConfig>(std::move(source), &pools_, &events_, RealClock());
  if (absl::Status loaded = config_->Load(); !loaded.ok()) return loaded;
  chanpool::config::v1::Config config = config_->running();
  if (config.admin().listeners().empty()) {
    const absl::StatusOr<std::string> socket = DefaultAdminSocket();
    if (!socket.ok()) return socket.status();
    config.mutable_admin()->add_listeners()->mutable_uds()->set_path(*socket);
  }

  if (config.attach().has_uds()) {
    const chanpool::config::v1::AttachListener& attach = config.attach().uds();
    AttachedProcesses::Options options;
    options.events = &events_;
    options.allow_uids.assign(attach.allow_uids().begin(), attach.allow_uids().end());
    options.log = options_.log;
    attached_ = std::make_unique<AttachedProcesses>(std::move(options));
  }

  admin_ = std::make_shared<admin::PoolAdmin>(admin::PoolAdmin::Options{
      registry_.get(), &events_, config_.get(), attached_.get(), RealClock(), "chanpoold", {}});
  absl::StatusOr<std::unique_ptr<AdminServer>> server = AdminServer::Start(config.admin(), admin_);
  if (!server.ok()) return server.status();
  admin_server_ = *std::move(server);
  std::vector<std::string> doors = admin_server_->listeners();
  // After the admin socket: of a second chanpoold that is the one to complain of.
  if (attached_ != nullptr) {
    const chanpool::config::v1::AttachListener& attach = config.attach().uds();
    absl::StatusOr<std::unique_ptr<UnixListener>> listener =
        UnixListener::Bind(SocketOptions(attach.path(), attach.mode(), attach.allow_uids_size() > 0),
                           [this](int fd, const UnixPeer& peer) { attached_->Accept(fd, peer); });
    if (!listener.ok()) return listener.status();
    attach_listener_ = *std::move(listener);
  }

  if (config.http().has_listen()) {
    absl::StatusOr<std::unique_ptr<web::HttpListener>> http =
        web::HttpListener::Start(HttpOptions(config.http().listen()));
    if (http.ok()) {
      http_ = *std::move(http);
      doors.push_back(http_->url());
    } else if (options_.config_path.empty()) {
      // Nobody has asked for it, so it is no reason not to start.
      options_.log(absl::StrCat("no /metrics: ", http.status().message()));
    } else {
      return http.status();
    }
  }
  if (attach_listener_ != nullptr) doors.push_back(absl::StrCat("attach:", attach_listener_->path()));
  admin_->SetListeners(doors);
  prober_ = std::make_unique<Prober>([registry = registry_] { return Engines(*registry); }, RealClock());
  options_.log(absl::StrCat("version ", admin::kVersion, " ready: ", registry_->List().size(), " pools; listening at ",
                            absl::StrJoin(doors, " ")));
  return absl::OkStatus();
}

web::HttpListener::Options Sidecar::HttpOptions(const chanpool::config::v1::HttpListener& listen) const {
  web::HttpListener::Options options;
  if (!listen.address().empty()) options.address = listen.address();
  options.port = static_cast<uint16_t>(listen.port());
  options.pages = web::StandardPages(
      {[admin = admin_] { return Snapshot(*admin); }, [admin = admin_] { return ReadinessOf(*admin); }});
  return options;
}

Sidecar::~Sidecar() {
  // From the doors inward: whoever might still call goes first.
  if (admin_ != nullptr) admin_->BeginShutdown();
  http_ = nullptr;
  attach_listener_ = nullptr;
  if (attached_ != nullptr) attached_->Stop();
  admin_server_ = nullptr;
  prober_ = nullptr;
  admin_ = nullptr;
  attached_ = nullptr;
}

void Sidecar::Reload() {
  chanpool::admin::v1::ReloadConfigRequest request;
  request.set_reason("SIGHUP");
  const absl::StatusOr<chanpool::admin::v1::ReloadConfigResponse> reload =
      config_->Reload(request, {"signal", admin::Role::ROLE_OPERATOR});
  if (reload.ok()) {
    options_.log(
        absl::StrCat("reload: ", reload->changes_size(), " changes; generation ", reload->generation(), " holds"));
    for (const auto& warning : reload->warnings()) {
      options_.log(absl::StrCat("reload: warning: ", config::FormatDiagnostic(warning)));
    }
    return;
  }
  for (const auto& diagnostic : config::DiagnosticsOf(reload.status())) {
    options_.log(absl::StrCat("reload: ", config::FormatDiagnostic(diagnostic)));
  }
  options_.log(absl::StrCat("reload refused, nothing has changed: ", reload.status().message()));
}

void Sidecar::BeginDrain() {
  admin_->BeginShutdown();
  for (const std::shared_ptr<Pool>& pool : Engines(*registry_)) pool->BeginDrain();
}

std::vector<std::shared_ptr<SocketFile>> Sidecar::socket_files() const {
  std::vector<std::shared_ptr<SocketFile>> files = admin_server_->socket_files();
  if (attach_listener_ != nullptr) files.push_back(attach_listener_->file());
  return files;
}

bool Sidecar::Drained() const {
  for (const std::shared_ptr<Pool>& pool : Engines(*registry_)) {
    if (pool->Stats().state == PoolAdminState::kDraining) return false;
  }
  return true;
}

}  // namespace chanpool::sidecar
