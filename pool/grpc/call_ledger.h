// What became of a pool's calls, by connection and by method.
//
//   auto ledger = std::make_shared<CallLedger>();                    // the pool's
//   ConnectionTally tally(ledger);                                   // one connection's, as long as calls may end on
//   it MethodTally* row = tally.Of(MethodTags::Handle("/orders.Orders/Get"));     // once per call
//   row->Count(absl::StatusCode::kOk, absl::Milliseconds(3));
//   for (const MethodStats& method : ledger->Methods()) ...
//
// Each connection counts in lines of its own, so that calls on two connections never share one; a pool's sum is made
// when somebody asks for it. What a connection has counted goes to the ledger when it ends, so no sum ever goes down.
#ifndef CHANPOOL_POOL_GRPC_CALL_LEDGER_H_
#define CHANPOOL_POOL_GRPC_CALL_LEDGER_H_

#include <array>
#include <atomic>
#include <bitset>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "pool/core/call_stats.h"
#include "pool/core/histogram.h"
#include "pool/core/mutex.h"
#include "pool/grpc/method_tags.h"

namespace chanpool {

class ConnectionTally;

// The calls of one method on one connection. Thread-safe, without a lock: three additions a call.
class MethodTally {
 public:
  // `name` stays as long as the process.
  explicit MethodTally(const char* name) : name_(name) {}

  const char* name() const { return name_; }
  // A call has ended with this status code, which is one of kStatusCodes, after so long.
  void Count(absl::StatusCode code, absl::Duration took) {
    by_code_[static_cast<int>(code)].fetch_add(1, std::memory_order_relaxed);
    times_.Record(took);
  }
  CallTotals Read() const;

 private:
  const char* const name_;
  std::array<std::atomic<uint64_t>, kStatusCodes> by_code_{};
  HistogramRecorder times_;
};

// One pool's. Thread-safe.
class CallLedger {
 public:
  // Methods with a row of their own, in one pool: those that were called first. All others are one row, kOtherMethods.
  // A row is 300 bytes on each connection on which the method was called, and some 25 lines of a scrape.
  static constexpr int kMaxMethods = 100;

  // In the order of their names. Of methods that no call has ended of there is no row.
  std::vector<MethodStats> Methods() const;

 private:
  friend class ConnectionTally;
  using Rows = std::map<std::string, CallTotals>;

  // Whether the method with this index has a row of its own, now or from now on.
  bool Admit(int method);
  void Add(const ConnectionTally* connection);
  void Remove(const ConnectionTally* connection);

  mutable Mutex mu_;
  std::bitset<MethodTags::kMaxMethods> admitted_ ABSL_GUARDED_BY(mu_);
  std::set<const ConnectionTally*> connections_ ABSL_GUARDED_BY(mu_);
  Rows ended_ ABSL_GUARDED_BY(mu_);  // Of connections that have ended.
};

// One connection's. Thread-safe.
class ConnectionTally {
 public:
  explicit ConnectionTally(std::shared_ptr<CallLedger> ledger);
  ~ConnectionTally();
  ConnectionTally(const ConnectionTally&) = delete;
  ConnectionTally& operator=(const ConnectionTally&) = delete;

  // The row of the method with this handle; null: of those without one. Stays as long as this object. Takes the
  // ledger's lock at a method's first call on this connection.
  MethodTally* Of(const void* handle) {
    if (handle == nullptr) return &other_;
    MethodTally* const row = rows_[MethodTags::IndexOf(handle)].load(std::memory_order_acquire);
    return row != nullptr ? row : MakeRow(MethodTags::IndexOf(handle));
  }

  // Of all methods together.
  CallTotals Total() const;

 private:
  friend class CallLedger;

  MethodTally* MakeRow(int method);
  void AddTo(CallLedger::Rows* rows) const;
  template <typename Visit>
  void ForEachRow(Visit visit) const;

  const std::shared_ptr<CallLedger> ledger_;
  MethodTally other_{kOtherMethods};
  std::array<std::atomic<MethodTally*>, MethodTags::kMaxMethods> rows_{};  // By handle; owned, but for &other_.
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_CALL_LEDGER_H_
