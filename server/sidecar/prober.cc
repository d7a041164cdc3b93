#include "server/sidecar/prober.h"

#include <cstdint>
#include <utility>

#include "pool/core/mutex.h"
#include "pool/core/slot_word.h"

namespace chanpool::sidecar {

struct Prober::State : std::enable_shared_from_this<State> {
  State(ListPools list, Clock* c) : list_pools(std::move(list)), clock(c) {}

  void Begin() {
    MutexLock lock(&mu);
    alarm = clock->NewAlarm([weak = weak_from_this()] {
      if (const std::shared_ptr<State> self = weak.lock()) self->Round();
    });
    alarm->Set(clock->Now() + kProbeInterval);
  }

  void End() {
    MutexLock lock(&mu);
    alarm = nullptr;
  }

  void Round() {
    {
      MutexLock lock(&mu);
      if (alarm == nullptr) return;
      alarm->Set(clock->Now() + kProbeInterval);
    }
    ++round;
    for (const std::shared_ptr<Pool>& pool : list_pools()) {
      std::vector<ConnectionId> quiet;
      for (const ConnectionStats& connection : pool->Connections()) {
        // One that carries calls shows by itself whether it lives.
        if (connection.state == SlotState::kOpen && connection.leases == 0) quiet.push_back(connection.id);
      }
      if (!quiet.empty()) pool->Check(quiet[round % quiet.size()]);
    }
  }

  const ListPools list_pools;
  Clock* const clock;
  uint64_t round = 0;  // Of the clock's one thread.
  Mutex mu;
  std::unique_ptr<Alarm> alarm ABSL_GUARDED_BY(mu);
};

Prober::Prober(ListPools list_pools, Clock* clock) : state_(std::make_shared<State>(std::move(list_pools), clock)) {
  state_->Begin();
}

Prober::~Prober() { state_->End(); }

}  // namespace chanpool::sidecar
