// A target without a network: it accepts, refuses or ignores dials as told, and drops what it accepted.
//
//   FakeTarget target;
//   auto pool = Pool::Create({"orders", options, target.NewConnector(), &clock, &closer, /*seed=*/1});
//   target.SetDial(FakeTarget::Dial::kRefuse);
//   target.LoseAll(absl::UnavailableError("reset"));
#ifndef CHANPOOL_POOL_TESTING_FAKE_TARGET_H_
#define CHANPOOL_POOL_TESTING_FAKE_TARGET_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "pool/core/call_stats.h"
#include "pool/core/connector.h"
#include "pool/core/mutex.h"
#include "pool/core/options.h"

namespace chanpool {

// Thread-safe. Its connections may outlive it.
class FakeTarget {
 public:
  // What becomes of a dial, from now on.
  enum class Dial {
    kAccept,  // Open at once, inside Start or Redial.
    kRefuse,  // Failed at once, with the status of SetRefusal.
    kHang,    // Nothing, until Answer() or for ever.
    kFlap,    // Open at once, and lost at once: a server that accepts and hangs up.
  };
  // What becomes of a probe.
  enum class Probe { kAnswer, kFail, kHang };

  FakeTarget();
  std::unique_ptr<Connector> NewConnector();

  void SetDial(Dial dial);
  // The same for one endpoint, whatever holds for the others. A slow one hangs until it is let accept, and Answer().
  void SetDial(const std::string& address, Dial dial);
  void SetProbe(Probe probe);
  void SetRefusal(absl::Status why);

  // What each connection tells of the calls on it, and what the connector tells of all, from now on. At first nothing.
  void SetCalls(std::vector<CallInFlight> in_flight, CallTotals ended, std::vector<MethodStats> methods);

  // Ends every hanging dial as SetDial says now, in the order of the dials. The number ended.
  int Answer();
  // Ends this one, if it hangs: slow dials end in any order. False if it does not hang, or kHang is what is to become
  // of it.
  bool Answer(ConnectionId id);
  // Ends every hanging probe with `result`. The number ended.
  int AnswerProbes(const absl::Status& result);
  // Breaks what is open: one connection (false if it is not open), or all (their number).
  bool Lose(ConnectionId id, const absl::Status& why);
  int LoseAll(const absl::Status& why);
  int LoseAt(const std::string& address, const absl::Status& why);  // Those to one endpoint.

  // Present state.
  std::vector<ConnectionId> open() const;  // In the order of their ids.
  std::vector<ConnectionId> open_at(const std::string& address) const;
  int hanging() const;                         // Dials without an answer.
  std::vector<ConnectionId> dialling() const;  // Those, in the order of their ids.
  // What each living connection was made with, in the order in which they were made.
  std::vector<PoolOptions> options() const;
  int alive() const;  // Connection objects, whatever their state.
  // Counters.
  int dials() const;
  int dials_at(const std::string& address) const;
  int destroyed() const;
  int cancels() const;

 private:
  class FakeConnection;
  class FakeConnector;
  struct Network;
  std::shared_ptr<Network> network_;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_TESTING_FAKE_TARGET_H_
