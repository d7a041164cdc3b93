#include "pool/core/decision_log.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace chanpool {
namespace {

bool Waits(Limit limit) {
  return limit == Limit::kBackOff || limit == Limit::kConnectRate || limit == Limit::kPaused || limit == Limit::kNoGain;
}

// The same decision, whatever the load was: another demand that leads to the same is no news. Nor is it how far the
// pool has come meanwhile, when all that holds it back is the pace of its dials.
bool Repeats(const Decision& a, const Decision& b) {
  const auto what = [](const Decision& d) { return std::tie(d.kind, d.cause, d.limit, d.ratio, d.target, d.wanted); };
  const bool paced = a.limit == Limit::kMaxConnecting || a.limit == Limit::kConnectRate;
  return what(a) == what(b) && (paced || a.have == b.have) && (Waits(a.limit) || a.limit_value == b.limit_value);
}

std::string Formula(const Decision& d) {
  if (d.cause != Decision::Cause::kDemand || d.target == 0) return absl::StrCat("wanted ", d.wanted);
  std::string formula = absl::StrCat("wanted ", d.wanted, " = ceil(", d.demand,
                                     d.ratio == 1 ? "" : absl::StrCat(" x ", d.ratio), " / ", d.target, ")");
  if (d.extra > 0) absl::StrAppend(&formula, " + ", d.extra, " suspected");
  return formula;
}

std::string WhyNot(const Decision& d) {
  switch (d.limit) {
    case Limit::kNothing:
      return "";
    case Limit::kBackOff:
      return absl::StrCat(": the target fails, the next dial is in ", d.limit_value, "ms");
    case Limit::kInactive:
      return ": the pool takes no callers";
    case Limit::kConnecting:
      return ": connections are on their way";
    case Limit::kConnectRate:
      return absl::StrCat(": max_connects_per_second, the next dial is in ", d.limit_value, "ms");
    case Limit::kPaused:
      return absl::StrCat(": the pool is paused for ", d.limit_value, "ms more");
    case Limit::kNoGain:
      return absl::StrCat(": the last ones landed no better, the next is in ", d.limit_value, "ms");
    default:
      return absl::StrCat(": ", ToString(d.limit), " ", d.limit_value, " is the limit");
  }
}

std::string Numbers(const Decision& d) {
  using Kind = Decision::Kind;
  switch (d.kind) {
    case Kind::kOpened:
      return absl::StrCat(Formula(d), ", had ", d.have);
    case Kind::kNotOpened:
      return absl::StrCat(Formula(d), ", have ", d.have);
    case Kind::kReplaced:
    case Kind::kNotReplaced:
      if (d.cause == Decision::Cause::kBackends) return absl::StrCat(d.wanted, " on one backend, ", d.have, " in use");
      return absl::StrCat(d.wanted, " due, ", d.have, " under way");
    case Kind::kClosedIdle:
      return absl::StrCat(d.wanted, " idle, ", d.have, " serve");
    case Kind::kShrunk:
      if (d.cause == Decision::Cause::kLoad) {
        return absl::StrCat(d.wanted, " too many for ", d.demand, " leases at most, ", d.have, " stay");
      }
      return absl::StrCat(d.wanted, " above, ", d.have, " stay");
    case Kind::kRefused:
      return absl::StrCat(d.demand, " leases and waiters on ", d.have, " connections");
    case Kind::kOvercommitted:
      return absl::StrCat(d.demand, " leases on ", d.have, " connections");
    case Kind::kBackedOff:
      return absl::StrCat(d.demand, d.demand == 1 ? " failure" : " failures in a row");
  }
  return "";
}

}  // namespace

const char* ToString(Limit limit) {
  switch (limit) {
    case Limit::kNothing:
      return "nothing";
    case Limit::kMaxConnections:
      return "max_connections";
    case Limit::kMaxLeasesPerConnection:
      return "max_leases_per_connection";
    case Limit::kMaxWaiters:
      return "max_waiters";
    case Limit::kMaxSurge:
      return "max_surge";
    case Limit::kBackOff:
      return "back_off";
    case Limit::kSlots:
      return "slots";
    case Limit::kInactive:
      return "inactive";
    case Limit::kConnecting:
      return "connecting";
    case Limit::kMaxConnecting:
      return "max_connecting";
    case Limit::kConnectRate:
      return "max_connects_per_second";
    case Limit::kReplacementRate:
      return "replacements_per_second";
    case Limit::kPaused:
      return "paused";
    case Limit::kChecking:
      return "checking";
    case Limit::kRerollBudget:
      return "rerolls_per_minute";
    case Limit::kNoGain:
      return "no_gain";
  }
  return "unknown";
}

const char* ToString(Decision::Kind kind) {
  switch (kind) {
    case Decision::Kind::kOpened:
      return "opened";
    case Decision::Kind::kNotOpened:
      return "not opened";
    case Decision::Kind::kReplaced:
      return "replaced";
    case Decision::Kind::kNotReplaced:
      return "not replaced";
    case Decision::Kind::kClosedIdle:
      return "closed idle";
    case Decision::Kind::kShrunk:
      return "shrunk";
    case Decision::Kind::kRefused:
      return "refused";
    case Decision::Kind::kOvercommitted:
      return "overcommitted";
    case Decision::Kind::kBackedOff:
      return "backed off";
  }
  return "unknown";
}

const char* ToString(Decision::Cause cause) {
  switch (cause) {
    case Decision::Cause::kDemand:
      return "callers";
    case Decision::Cause::kMinConnections:
      return "min_connections";
    case Decision::Cause::kCall:
      return "call";
    case Decision::Cause::kFresh:
      return "fresh";
    case Decision::Cause::kAsked:
      return "asked for";
    case Decision::Cause::kAge:
      return "max_age";
    case Decision::Cause::kRecycle:
      return "recycle";
    case Decision::Cause::kReconfigured:
      return "reconfigured";
    case Decision::Cause::kHousekeeping:
      return "max_idle";
    case Decision::Cause::kLoad:
      return "shrink_below";
    case Decision::Cause::kSpread:
      return "spread";
    case Decision::Cause::kBackends:
      return "backends";
    case Decision::Cause::kDial:
      return "dial";
  }
  return "unknown";
}

std::string Decision::ToString() const {
  return absl::StrCat(chanpool::ToString(kind), " (", chanpool::ToString(cause), "): ", Numbers(*this), WhyNot(*this));
}

void DecisionLog::Note(const Decision& decision, absl::Time now) {
  for (int i = 0; i < std::min(kLookBack, size()); ++i) {
    Decision& known = Newest(i);
    if (!Repeats(known, decision) || now - known.last > kPause) continue;
    known.demand = decision.demand;
    known.extra = decision.extra;
    known.have = decision.have;
    known.limit_value = decision.limit_value;
    known.last = now;
    ++known.count;
    return;
  }
  if (size() < kMaxDecisions) {
    ring_.push_back(decision);
  } else {
    ring_[next_] = decision;
    next_ = (next_ + 1) % kMaxDecisions;
  }
  Decision& noted = Newest(0);
  noted.sequence = ++noted_;
  noted.first = noted.last = now;
  noted.count = 1;
}

std::vector<Decision> DecisionLog::All() const {
  std::vector<Decision> all(ring_.begin() + next_, ring_.end());
  all.insert(all.end(), ring_.begin(), ring_.begin() + next_);
  return all;
}

}  // namespace chanpool
