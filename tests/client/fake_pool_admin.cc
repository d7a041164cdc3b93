#include "tests/client/fake_pool_admin.h"

#include <google/protobuf/text_format.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/fakes/eventually.h"

namespace chanpool::testing {
namespace {

template <typename Message>
Message Parsed(const std::string& text) {
  Message message;
  if (!google::protobuf::TextFormat::ParseFromString(text, &message)) abort();  // The test itself is wrong.
  return message;
}

constexpr int64_t kNoon = 1'772'625'600;  // 2026-03-04T12:00:00Z

std::string At(int64_t seconds_before_noon) { return absl::StrCat("{ seconds: ", kNoon - seconds_before_noon, " }"); }

template <typename Item, typename Add>
void FillPage(const std::vector<Item>& items, const Add& add) {
  for (const Item& item : items) *add() = item;
}

}  // namespace

absl::Time Noon() { return absl::FromUnixSeconds(kNoon); }

class FakePoolAdmin::Service : public v1::PoolAdmin::Service {
 public:
  explicit Service(FakePoolAdmin* fake) : fake_(fake) {}

  grpc::Status GetInstance(grpc::ServerContext*, const v1::GetInstanceRequest* request,
                           v1::GetInstanceResponse* response) override {
    return Answer("GetInstance", *request, [&] { *response->mutable_instance() = fake_->instance; });
  }
  // A pool a page, so that a client that forgets the token is found out.
  grpc::Status ListPools(grpc::ServerContext*, const v1::ListPoolsRequest* request,
                         v1::ListPoolsResponse* response) override {
    return Answer("ListPools", *request, [&] {
      const size_t at = request->page_token().empty() ? 0 : static_cast<size_t>(std::stoi(request->page_token()));
      if (request->page_size() == 0) FillPage(fake_->pools, [&] { return response->add_pools(); });
      if (request->page_size() == 0 || at >= fake_->pools.size()) return;
      *response->add_pools() = fake_->pools[at];
      if (at + 1 < fake_->pools.size()) response->set_next_page_token(std::to_string(at + 1));
    });
  }
  grpc::Status GetPool(grpc::ServerContext*, const v1::GetPoolRequest* request,
                       v1::GetPoolResponse* response) override {
    v1::Pool* const pool = fake_->pool(request->name());
    if (pool == nullptr && fake_->ErrorOf("GetPool").ok()) return NoPool(request->name());
    return Answer("GetPool", *request, [&] { *response->mutable_pool() = *pool; });
  }
  grpc::Status ListConnections(grpc::ServerContext*, const v1::ListConnectionsRequest* request,
                               v1::ListConnectionsResponse* response) override {
    return Answer("ListConnections", *request, [&] {
      for (const v1::Connection& connection : fake_->connections) {
        const bool of_it = connection.name().rfind(request->parent() + "/", 0) == 0;
        const bool own = connection.name().rfind("pools/", 0) == 0;
        if (of_it || (own && request->parent() == "pools/-")) *response->add_connections() = connection;
      }
    });
  }
  grpc::Status ListEndpoints(grpc::ServerContext*, const v1::ListEndpointsRequest* request,
                             v1::ListEndpointsResponse* response) override {
    return Answer("ListEndpoints", *request, [&] {
      for (const v1::Endpoint& endpoint : fake_->endpoints) {
        const bool of_it = endpoint.name().rfind(request->parent() + "/", 0) == 0;
        const bool own = endpoint.name().rfind("pools/", 0) == 0;
        if (of_it || (own && request->parent() == "pools/-")) *response->add_endpoints() = endpoint;
      }
      for (const v1::Resolution& dns : fake_->resolutions) {
        if (dns.pool() == request->parent() || request->parent() == "pools/-") *response->add_resolutions() = dns;
      }
    });
  }
  grpc::Status GetStats(grpc::ServerContext*, const v1::GetStatsRequest* request,
                        v1::GetStatsResponse* response) override {
    return Answer("GetStats", *request, [&] {
      FillPage(fake_->stats, [&] { return response->add_stats(); });
      for (v1::PoolStats& one : *response->mutable_stats()) {
        if (!request->include_methods()) one.clear_methods();
        if (request->include_histograms()) continue;
        one.clear_fast_waits(), one.clear_slow_waits(), one.clear_holds(), one.clear_connects();
      }
    });
  }
  grpc::Status ListCalls(grpc::ServerContext*, const v1::ListCallsRequest* request,
                         v1::ListCallsResponse* response) override {
    if (fake_->pool(request->parent()) == nullptr) return NoPool(request->parent());
    return Answer("ListCalls", *request, [&] {
      const auto limit = static_cast<size_t>(request->limit() == 0 ? 100 : request->limit());
      for (size_t i = 0; i < std::min(limit, fake_->calls.size()); ++i) *response->add_calls() = fake_->calls[i];
      response->set_truncated(fake_->calls.size() > limit);
    });
  }
  grpc::Status ExplainPool(grpc::ServerContext*, const v1::ExplainPoolRequest* request,
                           v1::ExplainPoolResponse* response) override {
    if (fake_->pool(request->name()) == nullptr) return NoPool(request->name());
    return Answer("ExplainPool", *request, [&] { *response->mutable_explanation() = fake_->explanation; });
  }
  grpc::Status ListDecisions(grpc::ServerContext*, const v1::ListDecisionsRequest* request,
                             v1::ListDecisionsResponse* response) override {
    return Answer("ListDecisions", *request,
                  [&] { FillPage(fake_->decisions, [&] { return response->add_decisions(); }); });
  }
  grpc::Status WatchStats(grpc::ServerContext* context, const v1::WatchStatsRequest* request,
                          grpc::ServerWriter<v1::WatchStatsResponse>* writer) override {
    return Stream("WatchStats", context, *request, [&] {
      uint32_t sent = 0;
      for (const v1::WatchStatsResponse& tick : fake_->ticks) {
        if (request->max_responses() > 0 && sent == request->max_responses()) break;
        writer->Write(tick);
        ++sent;
      }
    });
  }
  grpc::Status WatchEvents(grpc::ServerContext* context, const v1::WatchEventsRequest* request,
                           grpc::ServerWriter<v1::WatchEventsResponse>* writer) override {
    return Stream("WatchEvents", context, *request, [&] {
      for (const v1::WatchEventsResponse& event : fake_->events) writer->Write(event);
    });
  }
  grpc::Status GetConfig(grpc::ServerContext*, const v1::GetConfigRequest* request,
                         v1::GetConfigResponse* response) override {
    return Answer("GetConfig", *request, [&] {
      if (fake_->on_get_config != nullptr) fake_->on_get_config();
      *response = fake_->config;
    });
  }
  grpc::Status UpdatePool(grpc::ServerContext*, const v1::UpdatePoolRequest* request,
                          v1::UpdatePoolResponse* response) override {
    v1::Pool* const pool = fake_->pool(request->pool().name());
    if (pool == nullptr) return NoPool(request->pool().name());
    return Answer("UpdatePool", *request, [&] {
      *response->mutable_pool() = *pool;
      response->mutable_pool()->mutable_options()->MergeFrom(request->pool().options());
      response->add_warnings("servers often allow 100 connections");
    });
  }
  grpc::Status ReloadConfig(grpc::ServerContext*, const v1::ReloadConfigRequest* request,
                            v1::ReloadConfigResponse* response) override {
    return Answer("ReloadConfig", *request, [&] { *response = fake_->reload; });
  }
  grpc::Status DrainPool(grpc::ServerContext*, const v1::DrainPoolRequest* request,
                         v1::DrainPoolResponse* response) override {
    return Answer("DrainPool", *request, [&] { *response->mutable_operation() = fake_->drain; });
  }
  grpc::Status UndrainPool(grpc::ServerContext*, const v1::UndrainPoolRequest* request,
                           v1::UndrainPoolResponse* response) override {
    v1::Pool* const pool = fake_->pool(request->name());
    if (pool == nullptr) return NoPool(request->name());
    return Answer("UndrainPool", *request, [&] {
      *response->mutable_pool() = *pool;
      response->set_changed(pool->admin_state() != v1::ADMIN_STATE_ACTIVE);
    });
  }
  grpc::Status RecyclePool(grpc::ServerContext*, const v1::RecyclePoolRequest* request,
                           v1::RecyclePoolResponse* response) override {
    return Answer("RecyclePool", *request, [&] { *response->mutable_operation() = fake_->recycle; });
  }
  grpc::Status GetOperation(grpc::ServerContext*, const v1::GetOperationRequest* request,
                            v1::GetOperationResponse* response) override {
    return Answer("GetOperation", *request, [&] { *response->mutable_operation() = fake_->drain; });
  }
  grpc::Status ListOperations(grpc::ServerContext*, const v1::ListOperationsRequest* request,
                              v1::ListOperationsResponse* response) override {
    return Answer("ListOperations", *request,
                  [&] { FillPage(fake_->operations, [&] { return response->add_operations(); }); });
  }
  grpc::Status WatchOperation(grpc::ServerContext* context, const v1::WatchOperationRequest* request,
                              grpc::ServerWriter<v1::WatchOperationResponse>* writer) override {
    return Stream("WatchOperation", context, *request, [&] {
      for (const Step& step : fake_->watch) {
        if (step.before) step.before();
        v1::WatchOperationResponse response;
        *response.mutable_operation() = step.operation;
        writer->Write(response);
      }
    });
  }
  grpc::Status CancelOperation(grpc::ServerContext*, const v1::CancelOperationRequest* request,
                               v1::CancelOperationResponse* response) override {
    return Answer("CancelOperation", *request, [&] {
      *response->mutable_operation() = fake_->drain;
      response->mutable_operation()->set_state(v1::OPERATION_STATE_CANCELLED);
    });
  }

 private:
  template <typename Fill>
  grpc::Status Answer(const std::string& method, const google::protobuf::Message& request, const Fill& fill) {
    fake_->Remember(request);
    if (fake_->on_call) fake_->on_call(method);
    const grpc::Status error = fake_->ErrorOf(method);
    if (error.ok()) fill();
    fake_->Meet();
    return error;
  }

  template <typename Fill>
  grpc::Status Stream(const std::string& method, grpc::ServerContext* context, const google::protobuf::Message& request,
                      const Fill& fill) {
    const grpc::Status status = Answer(method, request, fill);
    if (status.ok() && fake_->keep_open) Eventually([context] { return context->IsCancelled(); });
    return status;
  }

  static grpc::Status NoPool(const std::string& name) {
    return ErrorWith(grpc::StatusCode::NOT_FOUND, absl::StrCat("there is no pool \"", name.substr(6), "\""),
                     "POOL_NOT_FOUND", {{"closest", "orders"}});
  }

  FakePoolAdmin* const fake_;
};

FakePoolAdmin::FakePoolAdmin() {
  pools = {
      Parsed<v1::Pool>(absl::StrCat(
          R"(name: "pools/billing" target: "dns:///billing.shop.svc.cluster.local:50051"
             options { min_connections: 1 max_connections: 4 max_leases_per_connection: 100 }
             admin_state: ADMIN_STATE_ACTIVE health: HEALTH_OVERLOADED conditions: "all 400 places are taken"
             size { current: 4 idle: 0 active: 4 connecting: 0 backoff: 0 checking: 0 draining: 0 min: 1 max: 4 }
             leases { active: 400 capacity: 400 } waiters { count: 3 max: 1000 } etag: "b1" generation: 1
             create_time )",
          At(5 * 3600), " snapshot_time ", At(0))),
      Parsed<v1::Pool>(absl::StrCat(
          R"(name: "pools/orders" target: "dns:///orders:50051"
             options { min_connections: 2 max_connections: 40 max_leases_per_connection: 100
                       target_leases_per_connection: 80 max_surge: 1 max_waiters: 1000 connect_timeout { seconds: 10 }
                       acquire_timeout { seconds: 30 } max_idle { seconds: 300 } max_age { seconds: 315576000000 }
                       max_age_jitter: 0.1 drain_grace { seconds: 30 } overflow: OVERFLOW_POLICY_OVERCOMMIT
                       backoff_initial { nanos: 100000000 } backoff_max { seconds: 10 } }
             overrides { path: "options.max_connections" owner_value: "32" value: "40" set_by: "uid:1000"
                         reason: "sale" set_time )",
          At(600), " expire_time ", At(-1200),
          R"( } keepalive { time { seconds: 300 } timeout { seconds: 20 } }
             certificate { subject: "CN=shop" ends_first: "/etc/chanpool/shop.pem" changes: 3 refusals: 1
                           last_error: "tls.key_file: /etc/chanpool/shop.key is not the key" expire_time )",
          At(-9 * 86400 - 3600), R"( }
             channel {
               health { check: HEALTH_CHECK_WATCH service: "shop.Orders" }
               retry { calls { methods: "shop.Orders/GetOrder" methods: "shop.Stock" max_attempts: 4
                               codes: STATUS_CODE_UNAVAILABLE attempt_timeout { seconds: 1 } }
                       calls { wait_for_ready: true } max_tokens: 100 token_ratio: 0.1 }
               endpoints { address: "ipv4:10.0.0.4:50051" weight: 2 }
               tls { }
               transport { max_receive_message_bytes: 16777216 compression: COMPRESSION_GZIP bdp_probe: false }
             }
             admin_state: ADMIN_STATE_ACTIVE health: HEALTH_HEALTHY
             size { current: 8 idle: 1 active: 7 connecting: 0 backoff: 0 checking: 0 draining: 0 min: 2 max: 40 }
             leases { active: 612 capacity: 800 } waiters { count: 0 max: 1000 } etag: "o7" generation: 7
             create_time )",
          At(3 * 86400), " snapshot_time ", At(0))),
      Parsed<v1::Pool>(absl::StrCat(
          R"(name: "processes/shop/pools/stock" target: "dns:///stock:50051"
             options { min_connections: 1 max_connections: 10 }
             admin_state: ADMIN_STATE_ACTIVE health: HEALTH_HEALTHY
             size { current: 1 idle: 1 active: 0 connecting: 0 backoff: 0 checking: 0 draining: 0 min: 1 max: 10 }
             leases { active: 0 capacity: 100 } waiters { count: 0 max: 1000 } etag: "s1" generation: 1 stale: true
             create_time )",
          At(7200), " snapshot_time ", At(42))),
  };
  endpoints = {
      Parsed<v1::Endpoint>(
          R"(name: "pools/billing/endpoints/1" address: "unix:/run/billing.sock" state: ENDPOINT_STATE_HEALTHY weight: 1
             connections: 4 connections_open: 4 leases: 400 calls: 70000 failures: 12 mean_latency { nanos: 4200000 }
             dial_failures: 0 ejections: 0)"),
      Parsed<v1::Endpoint>(
          R"(name: "pools/orders/endpoints/4" address: "ipv4:10.0.0.4:50051" state: ENDPOINT_STATE_BACKOFF
             reason: "connection refused" remaining { seconds: 3 } weight: 2 connections: 1 connections_open: 0
             leases: 0 calls: 0 failures: 0 dial_failures: 7 ejections: 1)"),
  };
  resolutions = {
      Parsed<v1::Resolution>(
          R"(pool: "pools/orders" host: "orders" servers: "10.0.0.2" state: RESOLUTION_STATE_STALE addresses: 2
             age { seconds: 75 } ttl { seconds: 30 } next_in { seconds: 6 }
             last_error: "name orders: no answer within 5s" hits: 41 misses: 9 failures: 2)"),
  };
  connections = {
      Parsed<v1::Connection>(
          R"(name: "pools/billing/connections/3-1" state: CONNECTION_STATE_ACTIVE leases: 100 max_leases: 100
             peak_leases: 100 age { seconds: 4000 } in_state { seconds: 90 } requests: 100 errors: 10
             error_rate: 0.1)"),
      Parsed<v1::Connection>(
          R"(name: "pools/orders/connections/1-71" state: CONNECTION_STATE_DRAINING leases: 29 max_leases: 100
             peak_leases: 31 age { seconds: 3600 } in_state { seconds: 27 } drain_reason: "max_age" backend: "orders-7")"),
      Parsed<v1::Connection>(
          R"(name: "pools/orders/connections/2-74" state: CONNECTION_STATE_BACKOFF leases: 0 max_leases: 100
             peak_leases: 0 age { } in_state { seconds: 2 })"),
  };
  stats = {
      Parsed<v1::PoolStats>(absl::StrCat(
          R"(name: "pools/billing" connections: 4 connections_active: 4 connections_idle: 0 connections_max: 4
             leases: 400 lease_capacity: 400 waiters: 3 waiters_max: 1000 acquired: 51234 released: 50834 hits: 50000
             misses: 1234 overcommitted: 0 rejected: 12 timed_out: 5 cancelled: 1 unavailable: 0 opened: 9 closed: 5
             dial_failures: 2 connections_lingering: 0 distinct_backends: 3 rerolls: 2 last_dial_error: "connection refused" snapshot_time )",
          At(0))),
      Parsed<v1::PoolStats>(absl::StrCat(
          R"(name: "pools/orders" connections: 8 connections_active: 7 connections_idle: 1 connections_max: 40
             leases: 612 lease_capacity: 800 waiters: 0 waiters_max: 1000 acquired: 8123456 released: 8122844
             hits: 8123000 misses: 456 overcommitted: 0 rejected: 0 timed_out: 0 cancelled: 0 unavailable: 0 opened: 31
             closed: 23 dial_failures: 0 connections_lingering: 0 snapshot_time )",
          At(0))),
  };
  explanation = Parsed<v1::Explanation>(absl::StrCat(
      R"(name: "pools/billing" health: HEALTH_OVERLOADED
         findings { limit: "max_connections" evidence: "400/400 leases on 4 connections, 3 waiting, max_connections is 4"
                    knob: "max_connections" value: "6" adds: "200 places" since_time )",
      At(35), R"( }
         findings { limit: "paused" evidence: "the pool is paused for 4s more" knob: "Unpause" adds: "0 places now" }
         findings { limit: "inactive" evidence: "the pool is DRAINED" knob: "Resume" adds: "up to 400 places" }
         findings { limit: "connecting" evidence: "1 connection is on the way" }
         sizing { acquired: 39600 over { seconds: 33 } acquires_per_second: 1200 mean_hold { nanos: 340000000 }
                  holds: 619 in_flight: 408 target: 80 connections: 6 understated: true }
         savings { acquired: 51234 opened: 9 connections: 51225 dials: 7 mean_connect { nanos: 2500000 }
                   time { seconds: 128 nanos: 62500000 } }
         hot_keys { hash: "00c0ffee00c0ffee" requests: 120 error: 4 one_in: 64 }
         hot_keys { hash: "0123456789abcdef" requests: 3 error: 0 one_in: 64 }
         snapshot_time )",
      At(0)));
  decisions = {
      Parsed<v1::Decision>(absl::StrCat(
          R"(sequence: 12 kind: "not opened" cause: "callers" limit: "max_connections" limit_value: 4 demand: 403
             ratio: 1 target: 80 wanted: 6 have: 4 count: 812
             text: "not opened (callers): wanted 6 = ceil(403 / 80), have 4: max_connections 4 is the limit"
             first_time )",
          At(35), " last_time ", At(1))),
      Parsed<v1::Decision>(absl::StrCat(
          R"(sequence: 11 kind: "opened" cause: "callers" limit: "nothing" demand: 250 ratio: 1 target: 80 wanted: 4
             have: 1 count: 1 text: "opened (callers): wanted 4 = ceil(250 / 80), had 1" first_time )",
          At(36), " last_time ", At(36))),
  };
  const auto times = [](const std::string& counts, int64_t seconds, uint32_t one_in) {
    return Parsed<v1::Histogram>(absl::StrCat("explicit_bounds: [0.00001, 0.001, 0.025, 10] bucket_counts: [", counts,
                                              "] sum { seconds: ", seconds, " nanos: 500000000 } one_in: ", one_in));
  };
  // One outcome each: the order of a map is chance.
  *stats[0].mutable_fast_waits() = times("780, 1, 0, 0, 0", 0, 64);
  (*stats[0].mutable_slow_waits())["ok"] = times("0, 1000, 234, 0, 0", 3, 1);
  (*stats[1].mutable_slow_waits())["timed_out"] = times("0, 0, 0, 3, 2", 59, 1);
  *stats[0].mutable_holds() = times("0, 100, 600, 100, 0", 272, 64);
  *stats[0].mutable_connects() = times("0, 0, 7, 0, 0", 0, 1);
  (*stats[0].mutable_methods()->Add()) =
      Parsed<v1::MethodStats>(R"(method: "/shop.Billing/Charge" requests: 100 errors: 100 error_rate: 1)");
  (*stats[0].mutable_methods(0)->mutable_by_code())["UNAVAILABLE"] = 100;  // One code: the order of a map is chance.
  *stats[0].mutable_methods(0)->mutable_times() = times("0, 60, 39, 1, 0", 1, 1);
  *stats[0].add_methods() = Parsed<v1::MethodStats>(R"(method: "other" requests: 7 errors: 0 error_rate: 0)");
  (*stats[0].mutable_methods(1)->mutable_by_code())["OK"] = 7;
  calls = {
      Parsed<v1::Call>(absl::StrCat(
          R"(connection: "pools/billing/connections/3-1" method: "/shop.Billing/Charge" age { seconds: 31 } deadline )",
          At(-4))),
      Parsed<v1::Call>(R"(connection: "pools/billing/connections/3-1" method: "/shop.Billing/Refund"
                          age { nanos: 120000000 })"),
  };
  // The second tick is a second later.
  v1::WatchStatsResponse tick;
  tick.set_tick_seq(1);
  for (const v1::PoolStats& one : stats) *tick.add_stats() = one;
  ticks.push_back(tick);
  tick.set_tick_seq(2);
  for (v1::PoolStats& one : *tick.mutable_stats()) {
    one.mutable_snapshot_time()->set_seconds(one.snapshot_time().seconds() + 1);
    one.set_acquired(one.acquired() + (one.name() == "pools/orders" ? 11'400 : 660));
  }
  tick.mutable_stats(0)->set_rejected(24);
  ticks.push_back(tick);

  const auto event = [this](const std::string& text, int64_t before, int seq) {
    v1::WatchEventsResponse response;
    *response.mutable_event() = Parsed<v1::Event>(absl::StrCat(text, " seq: ", seq, " time ", At(before)));
    response.set_resume_token(absl::StrCat("T", seq));
    events.push_back(response);
  };
  v1::WatchEventsResponse hello;
  hello.mutable_hello()->set_instance_id("i1");
  hello.mutable_hello()->set_oldest_seq(1);
  hello.mutable_hello()->set_head_seq(43);
  hello.set_resume_token("T40");
  events.push_back(hello);
  event(R"(type: EVENT_TYPE_CONNECTION_OPENED severity: SEVERITY_INFO resource: "pools/orders/connections/1-71")", 61,
        41);
  event(R"(type: EVENT_TYPE_CONNECTION_DIAL_FAILED severity: SEVERITY_WARNING
           resource: "pools/billing/connections/4-9" message: "connection refused")",
        60, 42);
  event(R"(type: EVENT_TYPE_OVERRIDE_SET severity: SEVERITY_INFO resource: "pools/orders"
           message: "max_connections=40, owner: 32" actor: "uid:1000")",
        5, 43);

  drain = Parsed<v1::Operation>(absl::StrCat(
      R"(name: "operations/4" kind: OPERATION_KIND_DRAIN target: "pools/orders" state: OPERATION_STATE_RUNNING
         progress { connections_total: 8 connections_remaining: 3 leases_remaining: 41
           blockers { connection: "pools/orders/connections/1-71" leases: 29 draining_for { seconds: 12 }
                      calls { connection: "pools/orders/connections/1-71" method: "/shop.Orders/Watch"
                              age { seconds: 900 } } }
           blockers { connection: "pools/orders/connections/2-74" leases: 12 draining_for { seconds: 12 } }
           leases_cancelled: 0 }
         requested_by: "uid:1000" reason: "deploy" start_time )",
      At(12), " deadline ", At(-48)));
  recycle = Parsed<v1::Operation>(absl::StrCat(
      R"(name: "operations/5" kind: OPERATION_KIND_RECYCLE target: "pools/orders" state: OPERATION_STATE_RUNNING
         progress { connections_total: 8 connections_remaining: 8 leases_remaining: 612 leases_cancelled: 0 }
         requested_by: "uid:1000" start_time )",
      At(0)));
  v1::Operation done = drain;
  done.set_name("operations/3");
  done.set_state(v1::OPERATION_STATE_SUCCEEDED);
  done.mutable_progress()->Clear();
  done.mutable_progress()->set_connections_total(8);
  done.mutable_progress()->set_connections_remaining(0);
  done.mutable_progress()->set_leases_remaining(0);
  v1::Operation stale = recycle;
  stale.set_name("processes/shop/operations/9");
  stale.set_target("processes/shop/pools/orders");
  stale.set_stale(true);
  operations = {drain, done, stale};

  instance = Parsed<v1::Instance>(absl::StrCat(
      R"(instance_id: "i1" name: "chanpoold" version: "0.1.0" grpc_version: "1.51.1" pid: 4711
         state: INSTANCE_STATE_SERVING config_generation: 42 config_path: "/etc/chanpool/chanpoold.yaml"
         config_drift: true last_reload { ok: false message: "line 3: unknown key" diagnostics: 2 time )",
      At(90), R"( } listeners: "unix:/run/chanpool/admin.sock" listeners: "http://127.0.0.1:9402" pools: 2
         processes { name: "processes/shop" pid: 815 uid: 1000 version: "0.1.0" state: PROCESS_STATE_STALE pools: 1
                     attach_time )",
      At(7200), " last_seen ", At(42), " } start_time ", At(3 * 86400)));

  config.set_yaml("version: 1\npools:\n  - name: orders\n    target: dns:///orders:50051\n    max_connections: 32\n");
  config.set_generation(42);
  config.set_path("/etc/chanpool/chanpoold.yaml");
  *config.mutable_config() = Parsed<chanpool::config::v1::Config>(
      R"(version: 1 defaults { max_idle { seconds: 300 } max_surge: 1 }
         pools { name: "orders" target: "dns:///orders:50051" options { max_connections: 32 max_surge: 1 } })");

  reload = Parsed<v1::ReloadConfigResponse>(
      R"(generation: 43 apply_duration { nanos: 12000000 }
         changes { path: "pools/orders.max_connections" old_value: "32" new_value: "48" reload_class: RELOAD_CLASS_HOT }
         changes { path: "pools/billing.target" old_value: "dns:///billing:50051" new_value: "dns:///billing:50052"
                   reload_class: RELOAD_CLASS_RECYCLE }
         warnings { file: "chanpoold.yaml" line: 7 column: 5 path: "pools[0].max_connections" code: "HIDDEN"
                    message: "hidden by an override of 40" hint: "poolctl set orders max_connections-" }
         recycled_pools: "pools/billing" added_pools: "pools/search" removed_pools: "pools/legacy")");

  char folder[] = "/tmp/poolctl-test-XXXXXX";
  if (mkdtemp(folder) == nullptr) abort();
  folder_ = folder;
  service_ = std::make_unique<Service>(this);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat("unix:", socket()), grpc::InsecureServerCredentials());
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
}

FakePoolAdmin::~FakePoolAdmin() {
  keep_open = false;
  server_->Shutdown(std::chrono::system_clock::time_point());
  server_->Wait();
  unlink(socket().c_str());
  rmdir(folder_.c_str());
}

std::string FakePoolAdmin::socket() const { return folder_ + "/admin.sock"; }
std::string FakePoolAdmin::endpoint() const { return absl::StrCat("unix:", socket()); }
std::string FakePoolAdmin::tcp_endpoint() const { return absl::StrCat("127.0.0.1:", port_); }

v1::Pool* FakePoolAdmin::pool(const std::string& name) {
  const auto found =
      std::find_if(pools.begin(), pools.end(), [&name](const v1::Pool& pool) { return pool.name() == name; });
  return found == pools.end() ? nullptr : &*found;
}

void FakePoolAdmin::Remember(const google::protobuf::Message& request) {
  const std::lock_guard<std::mutex> lock(mu_);
  requests_[request.GetDescriptor()->full_name()] = request.SerializeAsString();
}

grpc::Status FakePoolAdmin::ErrorOf(const std::string& method) {
  const auto found = errors.find(method);
  return found != errors.end() ? found->second : error;
}

grpc::Status ErrorWith(grpc::StatusCode code, const std::string& message, const std::string& reason,
                       const std::map<std::string, std::string>& facts,
                       const std::vector<const google::protobuf::Message*>& details) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("chanpool.admin.v1");
  for (const auto& [key, value] : facts) (*info.mutable_metadata())[key] = value;
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  status.add_details()->PackFrom(info);
  for (const google::protobuf::Message* detail : details) status.add_details()->PackFrom(*detail);
  return grpc::Status(code, message, status.SerializeAsString());
}

}  // namespace chanpool::testing
