#include "pool/core/diversity.h"

#include <algorithm>
#include <tuple>

namespace chanpool {
namespace {

// With K backends known and one more, a balancer that draws at random misses that one n times in a row with
// (K / (K + 1))^n: below 5 % at n = 3 (K + 1), whatever K.
constexpr int kThrowsPerBackend = 3;

constexpr absl::Duration kBudgetPeriod = absl::Minutes(1);

}  // namespace

std::string Diversity::Kept(absl::string_view name) {
  std::string kept(name.substr(0, kMaxBackendName));
  // A protobuf string takes no broken UTF-8, and a cut may break it.
  std::replace_if(
      kept.begin(), kept.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return kept;
}

void Diversity::EndInVain(absl::Time now) {
  Row& row = RowOf(under_way_->evens);
  under_way_.reset();
  const int patience = kThrowsPerBackend * (static_cast<int>(known_.size()) + 1);
  const int beyond = ++row.vain - patience;
  if (beyond < 0) return;
  absl::Duration wait = kFirstWait;
  for (int i = 0; i < beyond && wait < kLongestWait; ++i) wait *= 2;
  row.next = now + std::min(wait, kLongestWait);
}

Diversity::Choice Diversity::Choose(const std::vector<Placed>& placed, absl::Time now) {
  std::map<std::string, int> counts;
  for (const Placed& p : placed) ++counts[*p.backend];
  Choice choice;
  choice.distinct = static_cast<int>(counts.size());
  for (const auto& [backend, n] : counts) {
    const auto known = known_.find(backend);
    if (known != known_.end() || known_.size() < kMaxBackends) known_[backend] = now;
  }
  for (auto known = known_.begin(); known != known_.end();) {
    known = now - known->second > kRemembered ? known_.erase(known) : std::next(known);
  }
  for (const auto& [backend, seen] : known_) counts.emplace(backend, 0);
  if (under_way_.has_value() && now - under_way_->began > kLandsWithin) EndInVain(now);
  while (!begun_.empty() && now - begun_.front() >= kBudgetPeriod) begun_.pop_front();
  if (counts.empty()) return choice;

  const auto fewer = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto fullest = std::max_element(counts.begin(), counts.end(), fewer);
  choice.backend = fullest->first;
  choice.sharing = fullest->second;
  choice.wanted = choice.sharing >= 2;
  if (!choice.wanted) return choice;
  choice.evens = std::min_element(counts.begin(), counts.end(), fewer)->second + 2 <= choice.sharing;
  const Row& row = RowOf(choice.evens);
  if (budget_ == 0) {
    choice.limit = Limit::kRerollBudget;
  } else if (under_way_.has_value()) {
    choice.limit = Limit::kConnecting;
  } else if (now < row.next) {
    choice.limit = Limit::kNoGain;
    choice.limit_value = absl::ToInt64Milliseconds(row.next - now);
  } else if (static_cast<int>(begun_.size()) >= budget_) {
    choice.limit = Limit::kRerollBudget;
    choice.limit_value = budget_;
  }
  if (choice.limit != Limit::kNothing) return choice;
  const Placed* best = nullptr;
  const auto rank = [](const Placed& p) { return std::make_tuple(p.leases, p.opened_at, p.slot); };
  for (const Placed& p : placed) {
    if (!p.may_go || *p.backend != choice.backend) continue;
    if (best == nullptr || rank(p) < rank(*best)) best = &p;
  }
  if (best != nullptr) choice.slot = best->slot;
  return choice;
}

void Diversity::OnBegun(uint32_t slot, const Choice& choice, absl::Time now) {
  under_way_ = Reroll{slot, choice.evens, choice.sharing, now};
  begun_.push_back(now);
  ++rerolls_;
}

void Diversity::OnLanded(uint32_t slot, const std::string& backend, int others, absl::Time now) {
  const bool is_new = others == 0 && known_.count(backend) == 0;
  if (!is_new || known_.size() < kMaxBackends) known_[backend] = now;
  if (is_new) evening_ = exploring_ = Row();  // Whatever was in vain until now, the dice are others.
  if (!under_way_.has_value() || under_way_->slot != slot) return;
  const bool gained = under_way_->evens ? others + 1 < under_way_->sharing : is_new;
  if (!gained) return EndInVain(now);
  RowOf(under_way_->evens) = Row();
  under_way_.reset();
}

void Diversity::OnLeft(uint32_t slot, const std::string& backend, bool lost, absl::Time now) {
  if (lost) known_.erase(backend);  // If others are still on it, the next look finds it again.
  if (under_way_.has_value() && under_way_->slot == slot) EndInVain(now);
}

void Diversity::Forget() {
  known_.clear();
  evening_ = exploring_ = Row();
  under_way_.reset();
}

}  // namespace chanpool
