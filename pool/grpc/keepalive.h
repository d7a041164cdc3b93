// HTTP/2 pings on quiet connections, so that a peer that vanished without a word is noticed.
//
//   options.keepalive.time = absl::Minutes(6);      // a stock server allows one ping in 5 minutes
#ifndef CHANPOOL_POOL_GRPC_KEEPALIVE_H_
#define CHANPOOL_POOL_GRPC_KEEPALIVE_H_

#include "absl/time/time.h"

namespace chanpool {

// A plain value. Fixed when a connection is made.
struct KeepaliveOptions {
  // A ping after this long without a byte from the peer. Infinite: none.
  // Default infinite, since stock servers answer pings more often than each 5 minutes with GOAWAY too_many_pings. Less:
  // a dead peer is noticed sooner, at time + timeout (+ up to 1 s).
  absl::Duration time = absl::InfiniteDuration();

  // The peer counts as dead when a ping has no answer for this long; the calls on the connection end UNAVAILABLE.
  // Default 20 s, gRPC's own.
  absl::Duration timeout = absl::Seconds(20);

  // Also ping while no call is in flight.
  // Default no: stock servers count such pings as abuse.
  bool permit_without_calls = false;
};

// The most frequent pings that a server with default settings tolerates (GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_...).
inline constexpr absl::Duration kStockServersPingFloor = absl::Minutes(5);

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_KEEPALIVE_H_
