// What a pool may be told: how many connections, how many calls on each, how long everything may take.
//
//   PoolOptions options;
//   options.max_connections = 20;
//   absl::Status valid = options.Validate();   // "max_connections: 20 is below min_connections (30); set at least 30"
//
// Each option says what it means, its default, what more of it costs, and whether it may change while the pool runs
// (all may: ChannelPool::Reconfigure).
#ifndef CHANPOOL_POOL_CORE_OPTIONS_H_
#define CHANPOOL_POOL_CORE_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace chanpool {

// What becomes of a call that asks for a place at once (channel()) when every connection is full.
enum class OverflowPolicy {
  kOvercommit,  // It goes on the least loaded connection, above its limit, and is counted. The transport queues it.
  kReject,      // It ends at once with RESOURCE_EXHAUSTED and the pool's numbers.
};

const char* ToString(OverflowPolicy policy);

// Which of the open connections with room carries the next call.
enum class SelectionPolicy {
  // The one that this thread used last, unless a random other carries fewer calls. Loads stay level, a caller alone
  // stays on one connection, and threads keep apart. Constant time.
  kLeastLoaded,
  // The lowest-numbered below target_leases_per_connection, and beyond that the least loaded. The fewest connections
  // carry the load, and the others become idle.
  kPack,
  // Each in turn, whatever it carries.
  kRoundRobin,
  // The one to which the last call went longest ago; of exclusive connections, none becomes idle.
  kLeastRecentlyUsed,
  // The one to which the last call went just now; of exclusive connections, those that are not needed become idle.
  kMostRecentlyUsed,
};

const char* ToString(SelectionPolicy policy);

// The highest max_connections: each is a socket here and on the server, and a statistics read visits each.
inline constexpr int kMaxConnections = 4096;
// The highest max_leases_per_connection: 16 bits of the slot's word.
inline constexpr int kMaxLeasesPerConnection = 65535;
// The highest max_waiters: a blocked caller is a thread's stack, a queued one about 200 bytes.
inline constexpr int kMaxWaiters = 1000000;

// A plain value. One thread at a time.
struct PoolOptions {
  // Connections that are opened at once and kept, however idle. Count, 0 to max_connections.
  // Default 1. More: warm for a burst, but idle sockets on every server. Hot.
  int min_connections = 1;

  // The most connections that take calls. Count, 1 to 4,096. While connections are replaced there may be up to
  // max_surge more, and those that drain are beside it.
  // Default 10. More: more streams, cores and congestion windows; each costs about 100 KiB here. Hot.
  int max_connections = 10;

  // The most calls at a time on one connection: the server's MAX_CONCURRENT_STREAMS, which gRPC does not tell. Count,
  // 1 to 65,535; 1 makes connections exclusive.
  // Default 100, what most servers allow. More than the server allows: calls queue unseen inside the transport. Hot.
  int max_leases_per_connection = 100;

  // Calls at a time on one connection from which the pool opens the next. Count, 1 to 65,535; what is above
  // max_leases_per_connection counts as that.
  // Default 80. More: fewer connections, and less room while one is being opened. Hot.
  int target_leases_per_connection = 80;

  // Connections that are replaced by choice (age, recycle) at one time, new before old. Count, 0 to max_connections;
  // 0 closes one before its replacement is opened.
  // Default 1. More: a rotation ends sooner and weighs more on the servers. Hot.
  int max_surge = 1;

  // Callers that may wait for a place; the next is refused at once. Count, 0 to 1,000,000.
  // Default 1,000. More: longer waits instead of early refusals. Hot.
  int max_waiters = 1000;

  // How long one dial may take, including the transport's handshake.
  // Default 10 s. More: a dead address is noticed later. Hot: holds for the next dial.
  absl::Duration connect_timeout = absl::Seconds(10);

  // How long a call on blocking_channel() waits for a place, if its own deadline is not sooner. Infinite is allowed.
  // Default 30 s. More: callers hang longer when the pool is too small. Hot: holds for the next caller.
  absl::Duration acquire_timeout = absl::Seconds(30);

  // A connection above min_connections that carried no call for this long is closed. Infinite: never.
  // Default 5 min. More: idle sockets stay; NATs forget them without a word. Hot.
  absl::Duration max_idle = absl::Minutes(5);

  // A connection older than this is replaced, new before old, however busy; its calls are never cut. Infinite: never.
  // Default 1 h. More: load stays lopsided longer after a deploy behind a layer-4 balancer. Hot.
  absl::Duration max_age = absl::Hours(1);

  // max_age is drawn once for each connection from max_age * [1 - jitter, 1 + jitter], so that a fleet does not
  // reconnect at once. Ratio, 0 to 1.
  // Default 0.1. More: ages spread further. Hot: a connection keeps its draw.
  double max_age_jitter = 0.1;

  // A replaced connection that still carries calls after this long gives its max_surge place to the next, and is
  // counted as lingering. Its calls go on.
  // Default 30 s. More: a rotation waits longer for long streams. Hot.
  absl::Duration drain_grace = absl::Seconds(30);

  // What becomes of a call on channel() when every connection is full. A steady overcommit starves those who wait in
  // Acquire: they get a place only once a connection is back within its limit.
  // Default kOvercommit. Hot.
  OverflowPolicy overflow = OverflowPolicy::kOvercommit;

  // The first wait after a failed dial; each further failure makes it 1.6 times as long, +-20 %, up to backoff_max
  // (gRPC's connection-backoff.md, with a shorter first step: while the target is down one dial stands for all).
  // Default 100 ms, gRPC's minimum. More: a restarted server is found later. Hot.
  absl::Duration backoff_initial = absl::Milliseconds(100);

  // The longest wait between dials, before jitter. At least backoff_initial.
  // Default 10 s. More: fewer dials at a dead target, a later return. Hot.
  absl::Duration backoff_max = absl::Seconds(10);

  // Connections are opened for this many times the leases that callers want, so that the next one is open before it is
  // needed. Ratio, 1 to 3.
  // Default 1: only what is needed. More: a burst finds room, and more sockets stand half empty. Hot.
  double preconnect_ratio = 1;

  // Dials under way at one time, replacements included; what else is wanted waits for one of them to end. A connection
  // that failed to dial and stays to dial again is beside it. Count, 1 to 4,096.
  // Default 10, so that a pool of the default size opens at once. More: a server that comes back, or a large pool that
  // starts, sees more handshakes at a time. Fewer: dials that hang hold the others up for connect_timeout. Hot.
  int max_connecting = 10;

  // New connections per second, replacements included: up to one second's worth (at least one) at once, then evenly;
  // what else is wanted waits. A call that would rather wait than fail, and finds no connection, goes past it. Count a
  // second, 0.001 to 1,000,000; 0 sets no limit.
  // Default 0. More: a faster start and rotation, more handshakes for the servers. Hot.
  double max_connects_per_second = 0;

  // The pool is too large when its leases would fill even one connection fewer to less than this part of
  // target_leases_per_connection. It is looked at once each shrink_interval, by the peak since the last look; after
  // three such looks in a row the least used connections drain, never below min_connections, and never the last one:
  // that is max_idle's. Ratio, 0 to 1; 0 never shrinks by load.
  // Default 0: only what is idle closes. More: fewer half-empty connections, reopened sooner when load returns. Hot.
  double shrink_below = 0;

  // The time between two looks at whether the pool is too large.
  // Default 10 s. More: a longer lull is needed, and a smaller pool comes later. Hot.
  absl::Duration shrink_interval = absl::Seconds(10);

  // No shrinking by load for this long after a connection was opened because callers wanted it. Infinite: never after.
  // Default 1 min. More: a load that comes and goes keeps its connections. Hot.
  absl::Duration shrink_cooldown = absl::Minutes(1);

  // The most connections that one look takes away. Count, 1 to 4,096.
  // Default 2. More: a large pool shrinks sooner, and its load moves in larger pieces. Hot.
  int max_shrink_step = 2;

  // Which connection carries the next call. All but kLeastLoaded look at every open connection for each call (about 1
  // ns each), and their order is that of the calls that found room at once: who had to wait gets the first place there
  // is. With each, a connection that should carry less than others (slow_start, its endpoint's weight, for 5 s after
  // UNAVAILABLE or RESOURCE_EXHAUSTED) comes after those that carry as few. Default kLeastLoaded. Hot.
  SelectionPolicy selection = SelectionPolicy::kLeastLoaded;

  // A lease of Acquire, AcquireAsync or TryAcquire that is out for longer is reported once, with the line that borrowed
  // it (ChannelPool::LongLeases, kLeaseLeaked). Calls on channel() have no lease of that kind. Infinite: none is
  // watched. Default infinite: a watched lease costs about 0.1 us. More: later reports, fewer false ones. Hot: for new
  // leases.
  absl::Duration leak_after = absl::InfiniteDuration();

  // A connection that carried no call for so long is probed before it is lent again: a caller gets another one if one
  // has room, else the first that answers, and all the quiet ones are asked. Exact to one round of housekeeping (1 s at
  // most, an eighth of this if that is shorter). Infinite: none is probed for that.
  // Default infinite. More: fewer probes, and calls on what died without a word. While some connections are quiet,
  // acquires take the pool's lock. Hot.
  absl::Duration validate_after_idle = absl::InfiniteDuration();

  // A connection that has carried no call, and answered no probe, for so long is probed whether somebody wants it or
  // not, a quarter of the open ones at a time; while it is asked it lends nothing. Infinite: none is.
  // Default infinite. More: what died without a word is found later. Less: servers may count probes as abuse. Hot.
  absl::Duration validate_every = absl::InfiniteDuration();

  // A connection that carries leases, or whose calls have failed, and that has answered nothing for so long is probed:
  // somebody may have dropped its packets without a word. While it is asked its calls go on, it lends nothing, and
  // another is dialled in its stead. Exact as validate_after_idle. Infinite: none is.
  // Default infinite. Less: a black hole is noticed sooner (at this + probe_timeout, + 1 s at most), and long calls
  // that are silent by nature cost their servers a probe each time. Hot.
  absl::Duration probe_after_silence = absl::InfiniteDuration();

  // How long a peer may take to answer a probe; then its connection is closed, and its calls end UNAVAILABLE, with
  // "connection found dead: ..." and no further attempt of a retry policy.
  // Default 5 s. More: a slow peer is not taken for a dead one; what is dead is noticed later. Hot.
  absl::Duration probe_timeout = absl::Seconds(5);

  // Of the target's endpoints, how many this client uses; which ones depends on its seed, so that a fleet's load is
  // even. At least 3 survive two that are down. Count, 0 to 1,000,000; 0 uses all of them.
  // Default 0. More: more even load and more sockets on every server. Hot: connections to the others drain.
  int subset_size = 0;

  // How long an endpoint that is new, or was down or ejected, takes to come to its share of the leases, evenly from a
  // tenth of it. While callers have no other place it carries what there is.
  // Default 0: its share at once. More: caches and compilers warm up under less load. Hot.
  absl::Duration slow_start = absl::ZeroDuration();

  // The most endpoints, of those in use, that may be ejected at one time because their calls fail, or are slow, unlike
  // the others'. One always may, unless this is 0. Never the last one that is open. Ratio, 0 to 1; 0 ejects none.
  // Default 0.1, as gRPC's outlier detection. More: the rest carry more. Hot.
  double max_ejected = 0.1;

  // How long an outlier is ejected for the first time; each further time in a row makes it as much longer, up to 5 min
  // (or this, if longer).
  // Default 30 s, as gRPC's outlier detection. More: fewer calls find out whether it is well again. Hot.
  absl::Duration ejection_time = absl::Seconds(30);

  // OK, or kInvalidArgument: the first option that makes no sense, its value and the nearest one that does.
  absl::Status Validate() const;

  // One "name: value" a line, in the order above, as Validate() and the documentation name them.
  std::string DebugString() const;

  friend bool operator==(const PoolOptions& a, const PoolOptions& b);
  friend bool operator!=(const PoolOptions& a, const PoolOptions& b) { return !(a == b); }
};

// What a change of an option does to the connections of a running pool.
enum class OptionChange {
  kHot,       // It holds from then on; connections stay.
  kRecycles,  // Every connection is replaced, new before old.
};

const char* ToString(OptionChange change);

// One option, for whoever shows or explains options. Immutable.
struct OptionInfo {
  const char* name;
  const char* default_text;  // As DebugString writes it.
  OptionChange change;
  const char* unit;                                 // Of the value: "count", "ratio", "duration", ...
  std::string (*text)(const PoolOptions& options);  // Its value, as DebugString writes it.
};

// Every member of PoolOptions, in its order.
absl::Span<const OptionInfo> PoolOptionTable();

// What is valid, and hardly meant: for each the option, its value, why, and the nearest right value. Empty when there
// is nothing to say. `peak` is how many leases a running pool has seen wanted at one time
// (PoolStats::leases_peak_bound, Pool::Warnings), 0 where none is known.
std::vector<std::string> Warnings(const PoolOptions& options, int64_t peak = 0);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_OPTIONS_H_
