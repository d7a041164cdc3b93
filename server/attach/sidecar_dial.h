// The application's way to the sidecar: which socket, whether it is to be trusted, when to dial again.
//
//   absl::StatusOr<int> fd = DialFirst(SocketsToTry(options.socket));
//   absl::Duration pause = redial.Next(uniform);      // 200 ms, then up to 2 s, each with jitter
#ifndef CHANPOOL_SERVER_ATTACH_SIDECAR_DIAL_H_
#define CHANPOOL_SERVER_ATTACH_SIDECAR_DIAL_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace chanpool::attach {

// `configured` alone if it says something, else $CHANPOOL_ATTACH alone, else the default places, best first.
std::vector<std::string> SocketsToTry(const std::string& configured);

// Connects to the first of `paths` that exists, and never blocks. The descriptor is non-blocking and close-on-exec.
//   kUnavailable         nobody serves it, or none of them exists;
//   kPermissionDenied    it may not be opened, or who serves it is neither root nor the user of this process, and
//                        could steer the pools;
//   kInvalidArgument     no path for a socket.
absl::StatusOr<int> DialFirst(const std::vector<std::string>& paths);

// How long to wait before dialling again: longer each time, and never the same for many applications at once. A plain
// value.
class RedialPause {
 public:
  static constexpr absl::Duration kFirst = absl::Milliseconds(200);
  static constexpr absl::Duration kLongest = absl::Seconds(2);

  // `uniform` in [0, 1): half of the pause is jitter.
  absl::Duration Next(double uniform);
  // After a connection that worked.
  void Reset() { pause_ = kFirst; }

 private:
  absl::Duration pause_ = kFirst;
};

}  // namespace chanpool::attach
#endif  // CHANPOOL_SERVER_ATTACH_SIDECAR_DIAL_H_
