// One thread plays callers, operators, the network and time against a real Pool, at random by a seed, and looks at the
// pool from outside after every step.
//
//   Simulation simulation(/*seed=*/7);
//   std::string broken = simulation.Run(/*steps=*/250'000);     // "" or "step 812 (lose_one): somebody waits while
//   ..." simulation.tally().Print();
//
// The same seed gives the same steps and the same trace(): nothing depends on real time, addresses or threads. Each
// step draws from a stream of its own, so a life can be written down as a script (script.h), and replayed without some
// of its steps.
#ifndef CHANPOOL_TESTS_SIM_SIMULATION_H_
#define CHANPOOL_TESTS_SIM_SIMULATION_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "pool/core/pool.h"
#include "pool/testing/closers.h"
#include "pool/testing/fake_clock.h"
#include "pool/testing/fake_target.h"
#include "tests/sim/pool_view.h"
#include "tests/sim/script.h"
#include "tests/sim/watched_connector.h"

namespace chanpool {

// How often each thing happened, by name. A plain value.
class Tally {
 public:
  void Count(absl::string_view name, uint64_t n = 1);
  void Add(const Tally& other);
  uint64_t of(absl::string_view name) const;
  void Print() const;
  // One name and its count a line, and the reverse.
  std::string ToText() const;
  static Tally FromText(absl::string_view text);

 private:
  std::map<std::string, uint64_t, std::less<>> counts_;
};

// Every name that a Tally of a long simulation must hold: the actions of the pool's state, the reasons, the events, the
// steps of the simulation.
std::vector<std::string> EverythingThatCanHappen();

// One thread at a time.
class Simulation {
 public:
  // The life that `seed` names. `record` gets its script, unless it is null.
  explicit Simulation(uint64_t seed, ScriptWriter record = nullptr);
  // The life that `script` tells.
  explicit Simulation(Script script);
  ~Simulation();

  // Makes `steps` steps and ends the pool. Empty, or what was broken first, and in which step.
  std::string Run(int steps);
  // The same with the steps of the script.
  std::string Replay();

  // Told after each step: its number, its name, and the pool then.
  void OnStep(std::function<void(int, const char*, const PoolView&)> told) { told_ = std::move(told); }
  // Told before each step, and never afterwards: for what may not come back.
  void BeforeStep(std::function<void(int)> begun) { begun_ = std::move(begun); }

  const Tally& tally() const { return tally_; }
  // A hash of every step and of what could be seen after it.
  uint64_t trace() const { return trace_; }

 private:
  struct Step {
    const char* name;
    int weight;
    void (Simulation::*make)();
  };
  // One pool and its world. After Destroy it lives on until its last lease is back.
  struct Life {
    FakeTarget target;
    Asked asked;
    std::shared_ptr<Pool> pool;  // Null once the owner let go.
    std::weak_ptr<Pool> watch;
    Subscription subscription;
    uint64_t last_sequence = 0;
    size_t told_now = 0, told_before = 0;  // Events, in this run of the closer and in the one before that had some.
    bool ran_over = false;
    std::map<std::pair<uint32_t, uint32_t>, PoolEvent::Kind> last_event;  // Of each connection that is not closed.
    int held = 0;
    uint64_t acquires = 0;
    uint64_t cancelled = 0;
    uint64_t rogue_opened = 0;
    absl::Time rate_since = absl::InfinitePast();  // Of max_connects_per_second, and what was opened and insisted then.
    uint64_t opened_before = 0, insisted = 0;
    PoolOptions options;  // In force when the events that are delivered now happened.
    absl::Time paused_until = absl::InfinitePast();
    absl::Time grew_at = absl::InfinitePast(), shrank_at = absl::InfinitePast();
    int shrunk = 0;  // At shrank_at.
    std::string broken;
  };
  struct Lease {
    Place place;
    Life* life;
    struct Notice {
      bool returned = false;
      int runs = 0;
    };
    std::shared_ptr<Notice> notice = nullptr;  // Null if its holder wants none.
  };
  struct Ticket {
    Life* life;
    AcquireHandle handle;
    absl::Time deadline;
    int ends = 0;
  };

  static const std::vector<Step>& Steps();
  friend std::vector<std::string> EverythingThatCanHappen();

  // What a script calls the making of the first pool.
  static constexpr char kCreate[] = "create";

  void Begin(uint64_t index, const ScriptStep* replayed);
  std::string Make(int number, const Step& step);
  std::string End();
  uint64_t Draw(uint64_t below) { return draws_.Below(below); }
  bool OneIn(uint64_t n) { return Draw(n) == 0; }
  template <typename T>
  T Pick(std::initializer_list<T> choices) {
    return choices.begin()[Draw(choices.size())];
  }
  ConnectionId AnyConnection();
  PoolOptions AnyOptions();

  void CreatePool();
  void Hold(absl::StatusOr<Place> place);
  void AcquireAsyncUntil(absl::Time deadline, const LeaseOptions& options = LeaseOptions());
  LeaseOptions AnyWishes();
  void RunCloserNow();
  void OnEvent(Life* life, const PoolEvent& event);
  PoolView Look();
  // Empty when nothing is left of a life that was destroyed and whose leases are back.
  static std::string HowItOutlived(const Life& life);
  std::string Check();
  void Hash(uint64_t value);

  // The steps.
  void AcquireNow();
  void AcquireNowWaitForReady();
  void AcquireAsync();
  void AcquireWithoutPatience();
  void AcquireWithWishes();
  void TryAcquireWithWishes();
  void ReleaseOne();
  void ReleaseMany();
  void CancelOne();
  void SuspectOne();
  void CheckOne();
  void DiscardOne();
  void SetMaxIdleOfOne();
  void AskForNotice();
  void ChangeProbes();
  void AnswerProbes();
  void ChangeDials();
  void AnswerDials();
  void AnswerOneDial();
  void LoseOne();
  void LoseAll();
  void AdvanceABit();
  void AdvanceFar();
  void AdvanceToAlarm();
  void Reconfigure();
  void Override();
  void Recycle();
  void StopRecycle();
  void Redirect();
  void Pause();
  void Unpause();
  void BeginDrain();
  void CancelDrainingCalls();
  void DrainWithoutPatience();
  void Resume();
  void DestroyAndCreate();
  void JumpWall();
  void RunCloser();
  void WaitForReady();
  void TryToConnect();
  void ReportTooLate();
  void ReportTwice();
  void Settle();
  void SetEndpoints();
  void KillEndpoint();
  void SlowEndpoint();
  void TellBackend();
  std::string AnyAddress();
  // Whether the connections of a pool that has come to rest are where they should be.
  std::string HowUneven() const;

  const uint64_t seed_ = 0;
  Script script_;              // To be replayed.
  const ScriptWriter record_;  // Null: nobody wants it.
  Draws draws_;
  std::function<void(int, const char*, const PoolView&)> told_;
  std::function<void(int)> begun_;
  FakeClock clock_;
  ManualCloser closer_;
  std::vector<std::unique_ptr<Life>> lives_;  // The last one is the present.
  Life* life_ = nullptr;
  std::vector<Lease> leases_;
  std::vector<std::unique_ptr<Ticket>> tickets_;  // That have not ended.
  PoolView before_;
  std::string broken_;  // By a step or a callback, before the check.
  // What the present step may do: see PoolView.
  PoolView leave_;
  Tally tally_;
  uint64_t trace_ = 0xcbf29ce484222325ull;
};

}  // namespace chanpool
#endif  // CHANPOOL_TESTS_SIM_SIMULATION_H_
