#include "server/admin/explain_view.h"

#include <string>

#include "absl/strings/str_format.h"
#include "server/admin/pool_view.h"
#include "server/admin/proto_time.h"

namespace chanpool::admin {
namespace {

v1::SizingAdvice ShowSizing(const SizingAdvice& sizing) {
  v1::SizingAdvice shown;
  shown.set_acquired(sizing.acquired);
  *shown.mutable_over() = ToProto(sizing.over);
  shown.set_acquires_per_second(sizing.per_second);
  *shown.mutable_mean_hold() = ToProto(sizing.mean_hold);
  shown.set_holds(sizing.holds);
  shown.set_in_flight(sizing.in_flight);
  shown.set_target(sizing.target);
  shown.set_connections(sizing.connections);
  shown.set_understated(sizing.understated);
  return shown;
}

v1::Savings ShowSavings(const Savings& savings) {
  v1::Savings shown;
  shown.set_acquired(savings.acquired);
  shown.set_opened(savings.opened);
  shown.set_connections(savings.connections);
  shown.set_dials(savings.dials);
  if (savings.mean_connect) *shown.mutable_mean_connect() = ToProto(*savings.mean_connect);
  if (savings.time) *shown.mutable_time() = ToProto(*savings.time);
  return shown;
}

}  // namespace

v1::Explanation ShowExplanation(ManagedPool& managed) {
  Pool& pool = managed.pool();
  const Explanation explanation = pool.Explain();
  const absl::Duration wall_minus_pool = pool.clock()->WallNow() - pool.clock()->Now();

  v1::Explanation shown;
  shown.set_name(managed.name());
  *shown.mutable_snapshot_time() = ToProto(explanation.at + wall_minus_pool);
  shown.set_health(ShowHealth(pool.state(), explanation.health));
  for (const Finding& finding : explanation.findings) *shown.add_findings() = ShowFinding(finding, wall_minus_pool);
  if (explanation.sizing) *shown.mutable_sizing() = ShowSizing(*explanation.sizing);
  *shown.mutable_savings() = ShowSavings(explanation.savings);
  for (const KeyStats& key : pool.Keys()) {
    v1::HotKey& hot = *shown.add_hot_keys();
    hot.set_hash(absl::StrFormat("%016x", key.hash));
    hot.set_requests(key.count);
    hot.set_error(key.error);
    hot.set_one_in(key.one_in);
  }
  return shown;
}

v1::Finding ShowFinding(const Finding& finding, absl::Duration wall_minus_pool) {
  v1::Finding shown;
  shown.set_limit(ToString(finding.limit));
  shown.set_evidence(finding.evidence);
  if (finding.since != absl::InfinitePast()) *shown.mutable_since_time() = ToProto(finding.since + wall_minus_pool);
  shown.set_knob(finding.knob);
  shown.set_value(finding.value);
  shown.set_adds(finding.adds);
  return shown;
}

v1::Decision ShowDecision(const Decision& decision, absl::Duration wall_minus_pool) {
  v1::Decision shown;
  shown.set_sequence(decision.sequence);
  shown.set_kind(ToString(decision.kind));
  shown.set_cause(ToString(decision.cause));
  shown.set_limit(ToString(decision.limit));
  shown.set_text(decision.ToString());
  shown.set_count(decision.count);
  *shown.mutable_first_time() = ToProto(decision.first + wall_minus_pool);
  *shown.mutable_last_time() = ToProto(decision.last + wall_minus_pool);
  shown.set_demand(decision.demand);
  shown.set_ratio(decision.ratio);
  shown.set_target(decision.target);
  shown.set_suspected(decision.extra);
  shown.set_wanted(decision.wanted);
  shown.set_have(decision.have);
  shown.set_limit_value(decision.limit_value);
  return shown;
}

v1::Histogram ShowHistogram(const Histogram& histogram, uint32_t one_in) {
  v1::Histogram shown;
  for (const absl::Duration bound : kHistogramBoundsOfTime) shown.add_explicit_bounds(absl::ToDoubleSeconds(bound));
  for (int i = 0; i < kHistogramBuckets; ++i) shown.add_bucket_counts(histogram.bucket(i));
  *shown.mutable_sum() = ToProto(histogram.sum());
  shown.set_one_in(one_in);
  return shown;
}

}  // namespace chanpool::admin
