#include "pool/grpc/call_ledger.h"

#include <utility>

namespace chanpool {

CallTotals MethodTally::Read() const {
  CallTotals totals;
  for (int code = 0; code < kStatusCodes; ++code) totals.by_code[code] = by_code_[code].load(std::memory_order_relaxed);
  totals.times = times_.Read();
  return totals;
}

std::vector<MethodStats> CallLedger::Methods() const {
  MutexLock lock(&mu_);
  Rows rows = ended_;
  for (const ConnectionTally* connection : connections_) connection->AddTo(&rows);
  std::vector<MethodStats> methods;
  for (auto& [name, calls] : rows) methods.push_back({name, calls});
  return methods;
}

bool CallLedger::Admit(int method) {
  MutexLock lock(&mu_);
  if (admitted_[method]) return true;
  if (admitted_.count() == kMaxMethods) return false;
  admitted_.set(method);
  return true;
}

void CallLedger::Add(const ConnectionTally* connection) {
  MutexLock lock(&mu_);
  connections_.insert(connection);
}

void CallLedger::Remove(const ConnectionTally* connection) {
  MutexLock lock(&mu_);
  connections_.erase(connection);
  connection->AddTo(&ended_);
}

ConnectionTally::ConnectionTally(std::shared_ptr<CallLedger> ledger) : ledger_(std::move(ledger)) {
  ledger_->Add(this);
}

ConnectionTally::~ConnectionTally() {
  ledger_->Remove(this);
  for (std::atomic<MethodTally*>& row : rows_) {
    if (MethodTally* const owned = row.load(std::memory_order_relaxed); owned != &other_) delete owned;
  }
}

MethodTally* ConnectionTally::MakeRow(int method) {
  MethodTally* const mine = ledger_->Admit(method) ? new MethodTally(MethodTags::NameOf(method)) : &other_;
  MethodTally* known = nullptr;
  if (rows_[method].compare_exchange_strong(known, mine, std::memory_order_acq_rel)) return mine;
  if (mine != &other_) delete mine;
  return known;
}

template <typename Visit>
void ConnectionTally::ForEachRow(Visit visit) const {
  visit(other_);
  for (const std::atomic<MethodTally*>& row : rows_) {
    const MethodTally* const tally = row.load(std::memory_order_acquire);
    if (tally != nullptr && tally != &other_) visit(*tally);
  }
}

CallTotals ConnectionTally::Total() const {
  CallTotals total;
  ForEachRow([&total](const MethodTally& row) { total += row.Read(); });
  return total;
}

void ConnectionTally::AddTo(CallLedger::Rows* rows) const {
  ForEachRow([rows](const MethodTally& row) {
    const CallTotals calls = row.Read();
    if (calls.requests() > 0) (*rows)[row.name()] += calls;
  });
}

}  // namespace chanpool
