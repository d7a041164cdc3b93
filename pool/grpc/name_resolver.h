// Keeps a pool's endpoints what its target's name says: one look-up for the whole pool until its answer is too old.
//
//   auto resolver = NameResolver::Create(ParseTarget("dns:///orders:50051"), options.dns, clock, connect_timeout);
//   resolver->Begin(pool);                 // asks, and calls pool->SetEndpoints with each answer
//   resolver->Await(guest);                // a connection that has no address to dial yet
//   resolver->End();
//
// It asks again when the TTL is over, and when a connection is lost or a dial fails. While no server answers, the last
// good answer holds. Before the first answer nothing is asked again by itself: the pool's back-off does, by its guests.
//
// A name with addresses of two families most often means the same servers twice, so a pool uses one family: that of the
// first address to accept a TCP connection. When nothing of that family can be dialled, they race again.
#ifndef CHANPOOL_POOL_GRPC_NAME_RESOLVER_H_
#define CHANPOOL_POOL_GRPC_NAME_RESOLVER_H_

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "pool/core/clock.h"
#include "pool/core/event_feed.h"
#include "pool/core/events.h"
#include "pool/core/mutex.h"
#include "pool/core/pool.h"
#include "pool/core/resolution.h"
#include "pool/grpc/address_race.h"
#include "pool/grpc/dns_lookup.h"
#include "pool/grpc/dns_options.h"
#include "pool/grpc/target_name.h"

namespace chanpool {

// Thread-safe. Works on the DnsThread; keeps nothing alive but itself.
class NameResolver : public std::enable_shared_from_this<NameResolver> {
 public:
  // A connection that waits for an address. Both are called on the DnsThread, without a lock.
  class Guest {
   public:
    virtual ~Guest() = default;
    virtual void OnAddress(const std::string& ip) = 0;
    // The look-up has failed. The guest may Await again, which looks again.
    virtual void OnNoAddress(const absl::Status& why) = 0;
  };

  // `name` is a kName; `options` are valid; `clock` outlives it. No race takes longer than `race_limit`.
  static std::shared_ptr<NameResolver> Create(TargetName name, DnsOptions options, Clock* clock,
                                              absl::Duration race_limit);

  // Looks the name up, and tells `pool` its endpoints from now on. Once.
  void Begin(const std::shared_ptr<Pool>& pool);
  // Tells the pool nothing more: it has another target.
  void End();

  // Told once: at once if there is an address, else when the look-up under way, or a new one, ends.
  void Await(std::weak_ptr<Guest> guest);
  // A dial used the answer that is there.
  void CountHit();

  // The endpoint of a pool that waits for the first answer.
  static Endpoint Unresolved();

  const TargetName& name() const { return name_; }
  ResolutionStats Stats() const;
  // Of the last good answer those that are in use, though for now only one of them may be dialled.
  std::vector<Endpoint> Addresses() const;

 private:
  enum Family { kV4, kV6, kFamilies };
  // What is known of one family.
  struct Known {
    std::vector<std::string> ips;
    absl::Duration ttl;
  };

  NameResolver(TargetName name, DnsOptions options, Clock* clock, absl::Duration race_limit);

  template <typename Member>
  std::unique_ptr<Alarm> NewAlarm(Member member);
  template <typename Member>
  void Post(Member member);

  // All of these on the DnsThread.
  void LookUp();
  void OnAnswer(Family family, absl::StatusOr<DnsAnswer> answer);
  void OnLookUpEnd();
  void OnTimeout();
  void OnEvent(const PoolEvent& event);
  void OnTrouble();
  void UseAnswer();
  void BeginRace();
  void OnRaceEnd(std::optional<std::pair<Family, std::string>> first);
  void OnRaceTimeout();
  void Publish(Family family);
  std::vector<std::pair<Family, std::string>> Candidates() const;
  void Stop();

  // Constant.
  const TargetName name_;
  const DnsOptions options_;
  Clock* const clock_;
  const absl::Duration race_limit_;
  std::unique_ptr<Alarm> next_, lookup_limit_, race_alarm_;  // Made by Create.

  // The DnsThread's own.
  bool begun_ = false;  // There is a pool to tell.
  bool ended_ = false;
  std::weak_ptr<Pool> pool_;
  Subscription events_;
  std::array<std::shared_ptr<DnsLookup>, kFamilies> lookups_;  // Under way.
  std::array<absl::Status, kFamilies> results_;                // Of the last look-up.
  std::array<Known, kFamilies> known_;
  uint64_t round_ = 0;  // Counts look-ups.
  absl::Time asked_at_ = absl::InfinitePast();
  std::shared_ptr<AddressRace> race_;
  bool used_ = false;                         // The pool has been told something...
  Family family_ = kV4;                       // ...of this family...
  std::string first_;                         // ...of which this is dialled first...
  bool on_trial_ = false;                     // ...and alone, until it has opened or failed.
  std::vector<std::weak_ptr<Guest>> guests_;  // As many as the pool has connections that wait: one, as a rule.

  mutable Mutex mu_;
  ResolutionStats stats_ ABSL_GUARDED_BY(mu_);
  std::vector<Endpoint> addresses_ ABSL_GUARDED_BY(mu_);
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_NAME_RESOLVER_H_
