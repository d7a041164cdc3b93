// A peer of which everything is seen: a few lines of HTTP/2, enough for gRPC to become READY.
//
//   FramePeer peer;
//   auto pool = ChannelPool::Create({.target = peer.target()});
//   EXPECT_TRUE(Eventually([&] { return peer.pings() > 0; }));
#ifndef CHANPOOL_TESTS_FAKES_FRAME_PEER_H_
#define CHANPOOL_TESTS_FAKES_FRAME_PEER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "pool/core/mutex.h"

namespace chanpool::testing {

// Speaks HTTP/2 as far as frames: answers SETTINGS and, until it falls silent, PING. Never answers a call. Thread-safe.
class FramePeer {
 public:
  FramePeer();
  ~FramePeer();

  std::string target() const { return "ipv4:127.0.0.1:" + std::to_string(port_); }

  // From now on it reads and says nothing, as if the network had swallowed it.
  void FallSilent() { silent_ = true; }

  // Before anybody dials: it accepts, and sends nobody its SETTINGS until Greet, so nobody is READY.
  void HoldGreetings() { greets_ = false; }
  void Greet();

  // So many of those who come next are hung up on at once.
  void HangUpOn(int connections) { unwelcome_ = connections; }

  int connections() const;  // That are open.
  int pings() const { return pings_; }
  int calls() const { return calls_; }

  // What clients have said so far, over all connections.
  std::map<int, uint32_t> settings() const;  // The last of each, by HTTP/2's number.
  std::vector<size_t> header_sizes() const;  // Of each call, as it was compressed.
  std::string data() const;                  // Of all calls.

 private:
  void Accept();
  void Serve(int socket);
  void Note(uint8_t type, const std::string& payload);
  void Send(int socket, uint8_t type, uint8_t flags, const std::string& payload);

  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> silent_{false};
  std::atomic<bool> greets_{true};
  std::atomic<int> unwelcome_{0};
  std::atomic<int> pings_{0};
  std::atomic<int> calls_{0};
  mutable Mutex mu_;
  std::set<int> sockets_ ABSL_GUARDED_BY(mu_);
  std::map<int, uint32_t> settings_ ABSL_GUARDED_BY(mu_);
  std::vector<size_t> header_sizes_ ABSL_GUARDED_BY(mu_);
  std::string data_ ABSL_GUARDED_BY(mu_);
  std::thread accepts_;
  std::vector<std::thread> serves_;  // Written by accepts_, read once that is joined.
};

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_FAKES_FRAME_PEER_H_
