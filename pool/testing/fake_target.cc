#include "pool/testing/fake_target.h"

#include <algorithm>
#include <list>
#include <utility>

namespace chanpool {

// What all connections of one target share; kept by each of them.
struct FakeTarget::Network {
  enum class Phase { kNew, kHanging, kOpen, kFailed };
  struct Entry {
    ConnectionId id;
    std::string address;
    PoolOptions options;
    std::weak_ptr<ConnectionListener> listener;
    Phase phase = Phase::kNew;
    bool probe_hangs = false;
  };
  // A report that is made after the lock is released.
  struct Report {
    std::shared_ptr<ConnectionListener> to;
    ConnectionId id;
    bool opened;
    absl::Status why;
    bool lost = false;  // As soon as it opened.

    void Make() const {
      if (to == nullptr) return;
      opened ? to->OnOpened(id) : to->OnFailed(id, why);
      if (lost) to->OnLost(id, why);
    }
  };

  void Begin(const std::shared_ptr<Entry>& entry) {
    Report report;
    {
      MutexLock lock(&mu);
      ++dials;
      entry->phase = Phase::kHanging;
      ++dials_at[entry->address];
      if (DialAt(entry->address) == Dial::kHang) return;
      report = End(entry.get());
    }
    report.Make();
  }

  Report End(Entry* entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    const Dial how = DialAt(entry->address);
    const bool lost = how == Dial::kFlap;
    const bool opened = how == Dial::kAccept || lost;
    entry->phase = opened && !lost ? Phase::kOpen : Phase::kFailed;
    const absl::Status why = lost ? absl::UnavailableError("hung up at once") : refusal;
    return {entry->listener.lock(), entry->id, opened, why, lost};
  }

  Dial DialAt(const std::string& address) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    const auto found = dial_at.find(address);
    return found == dial_at.end() ? dial : found->second;
  }

  // Of one endpoint; null: of all.
  std::vector<ConnectionId> In(Phase phase, const std::string* address = nullptr) const;

  mutable Mutex mu;
  Dial dial ABSL_GUARDED_BY(mu) = Dial::kAccept;
  Probe probe ABSL_GUARDED_BY(mu) = Probe::kAnswer;
  absl::Status refusal ABSL_GUARDED_BY(mu) = absl::UnavailableError("connection refused");
  std::list<std::shared_ptr<Entry>> entries ABSL_GUARDED_BY(mu);
  int dials ABSL_GUARDED_BY(mu) = 0;
  std::map<std::string, Dial> dial_at ABSL_GUARDED_BY(mu);
  std::map<std::string, int> dials_at ABSL_GUARDED_BY(mu);
  int destroyed ABSL_GUARDED_BY(mu) = 0;
  int cancels ABSL_GUARDED_BY(mu) = 0;
  std::vector<CallInFlight> calls_in_flight ABSL_GUARDED_BY(mu);
  CallTotals calls_ended ABSL_GUARDED_BY(mu);
  std::vector<MethodStats> methods ABSL_GUARDED_BY(mu);
};

class FakeTarget::FakeConnection : public Connection {
 public:
  FakeConnection(std::shared_ptr<Network> network, const std::string& address, ConnectionId id,
                 const PoolOptions& options, std::weak_ptr<ConnectionListener> listener)
      : network_(std::move(network)), entry_(std::make_shared<Network::Entry>()) {
    entry_->id = id;
    entry_->address = address;
    entry_->options = options;
    entry_->listener = std::move(listener);
    MutexLock lock(&network_->mu);
    network_->entries.push_back(entry_);
  }

  ~FakeConnection() override {
    MutexLock lock(&network_->mu);
    network_->entries.remove(entry_);
    ++network_->destroyed;
  }

  void Start() override { network_->Begin(entry_); }
  void Redial() override { network_->Begin(entry_); }

  void Probe(absl::Duration) override {
    absl::Status result;
    {
      MutexLock lock(&network_->mu);
      if (network_->probe == Probe::kHang) {
        entry_->probe_hangs = true;
        return;
      }
      if (network_->probe == Probe::kFail) result = absl::UnavailableError("probe failed");
    }
    if (const auto listener = entry_->listener.lock()) listener->OnProbed(entry_->id, result);
  }

  void CancelCalls(const absl::Status&) override {
    MutexLock lock(&network_->mu);
    ++network_->cancels;
  }

  CallTotals EndedCalls() const override {
    MutexLock lock(&network_->mu);
    return network_->calls_ended;
  }
  std::vector<CallInFlight> OldestCalls(size_t most) const override {
    MutexLock lock(&network_->mu);
    std::vector<CallInFlight> calls = network_->calls_in_flight;
    for (CallInFlight& call : calls) call.connection = entry_->id;
    KeepOldest(most, &calls);
    return calls;
  }

 private:
  const std::shared_ptr<Network> network_;
  const std::shared_ptr<Network::Entry> entry_;
};

class FakeTarget::FakeConnector : public Connector {
 public:
  explicit FakeConnector(std::shared_ptr<Network> network) : network_(std::move(network)) {}
  std::unique_ptr<Connection> Create(ConnectionId id, const PoolOptions& options,
                                     std::weak_ptr<ConnectionListener> listener) override {
    return CreateTo(Endpoint(), id, options, std::move(listener));
  }
  std::unique_ptr<Connection> CreateTo(const Endpoint& endpoint, ConnectionId id, const PoolOptions& options,
                                       std::weak_ptr<ConnectionListener> listener) override {
    return std::make_unique<FakeConnection>(network_, endpoint.address, id, options, std::move(listener));
  }
  std::vector<MethodStats> Methods() const override {
    MutexLock lock(&network_->mu);
    return network_->methods;
  }

 private:
  const std::shared_ptr<Network> network_;
};

FakeTarget::FakeTarget() : network_(std::make_shared<Network>()) {}

std::unique_ptr<Connector> FakeTarget::NewConnector() { return std::make_unique<FakeConnector>(network_); }

void FakeTarget::SetDial(Dial dial) {
  MutexLock lock(&network_->mu);
  network_->dial = dial;
}

void FakeTarget::SetCalls(std::vector<CallInFlight> in_flight, CallTotals ended, std::vector<MethodStats> methods) {
  MutexLock lock(&network_->mu);
  network_->calls_in_flight = std::move(in_flight);
  network_->calls_ended = ended;
  network_->methods = std::move(methods);
}

void FakeTarget::SetDial(const std::string& address, Dial dial) {
  MutexLock lock(&network_->mu);
  network_->dial_at[address] = dial;
}

void FakeTarget::SetProbe(Probe probe) {
  MutexLock lock(&network_->mu);
  network_->probe = probe;
}

void FakeTarget::SetRefusal(absl::Status why) {
  MutexLock lock(&network_->mu);
  network_->refusal = std::move(why);
}

int FakeTarget::Answer() {
  std::vector<Network::Report> reports;
  {
    MutexLock lock(&network_->mu);
    for (const auto& entry : network_->entries) {
      if (network_->DialAt(entry->address) == Dial::kHang) continue;
      if (entry->phase == Network::Phase::kHanging) reports.push_back(network_->End(entry.get()));
    }
  }
  for (const Network::Report& report : reports) report.Make();
  return static_cast<int>(reports.size());
}

bool FakeTarget::Answer(ConnectionId id) {
  Network::Report report;
  {
    MutexLock lock(&network_->mu);
    const auto found = std::find_if(network_->entries.begin(), network_->entries.end(), [id](const auto& entry) {
      return entry->id == id && entry->phase == Network::Phase::kHanging;
    });
    if (found == network_->entries.end() || network_->DialAt((*found)->address) == Dial::kHang) return false;
    report = network_->End(found->get());
  }
  report.Make();
  return true;
}

int FakeTarget::AnswerProbes(const absl::Status& result) {
  std::vector<Network::Report> reports;
  {
    MutexLock lock(&network_->mu);
    for (const auto& entry : network_->entries) {
      if (!std::exchange(entry->probe_hangs, false)) continue;
      reports.push_back({entry->listener.lock(), entry->id, /*opened=*/false, result, /*lost=*/false});
    }
  }
  for (const Network::Report& report : reports) {
    if (report.to != nullptr) report.to->OnProbed(report.id, report.why);
  }
  return static_cast<int>(reports.size());
}

bool FakeTarget::Lose(ConnectionId id, const absl::Status& why) {
  std::shared_ptr<ConnectionListener> listener;
  {
    MutexLock lock(&network_->mu);
    const auto found = std::find_if(network_->entries.begin(), network_->entries.end(), [id](const auto& entry) {
      return entry->id == id && entry->phase == Network::Phase::kOpen;
    });
    if (found == network_->entries.end()) return false;
    (*found)->phase = Network::Phase::kFailed;
    listener = (*found)->listener.lock();
  }
  if (listener != nullptr) listener->OnLost(id, why);
  return true;
}

int FakeTarget::LoseAt(const std::string& address, const absl::Status& why) {
  int lost = 0;
  for (const ConnectionId id : open_at(address)) lost += Lose(id, why);
  return lost;
}

int FakeTarget::LoseAll(const absl::Status& why) {
  int lost = 0;
  for (const ConnectionId id : open()) lost += Lose(id, why);
  return lost;
}

std::vector<ConnectionId> FakeTarget::Network::In(Phase phase, const std::string* address) const {
  std::vector<ConnectionId> ids;
  {
    MutexLock lock(&mu);
    for (const auto& entry : entries) {
      if (entry->phase != phase) continue;
      if (address == nullptr || entry->address == *address) ids.push_back(entry->id);
    }
  }
  std::sort(ids.begin(), ids.end(), [](ConnectionId a, ConnectionId b) {
    return std::make_pair(a.slot, a.generation) < std::make_pair(b.slot, b.generation);
  });
  return ids;
}

std::vector<ConnectionId> FakeTarget::open() const { return network_->In(Network::Phase::kOpen); }
std::vector<ConnectionId> FakeTarget::open_at(const std::string& address) const {
  return network_->In(Network::Phase::kOpen, &address);
}
std::vector<ConnectionId> FakeTarget::dialling() const { return network_->In(Network::Phase::kHanging); }

int FakeTarget::hanging() const {
  MutexLock lock(&network_->mu);
  return static_cast<int>(std::count_if(network_->entries.begin(), network_->entries.end(),
                                        [](const auto& entry) { return entry->phase == Network::Phase::kHanging; }));
}

std::vector<PoolOptions> FakeTarget::options() const {
  MutexLock lock(&network_->mu);
  std::vector<PoolOptions> options;
  for (const auto& entry : network_->entries) options.push_back(entry->options);
  return options;
}

int FakeTarget::alive() const {
  MutexLock lock(&network_->mu);
  return static_cast<int>(network_->entries.size());
}

int FakeTarget::dials() const {
  MutexLock lock(&network_->mu);
  return network_->dials;
}

int FakeTarget::dials_at(const std::string& address) const {
  MutexLock lock(&network_->mu);
  const auto found = network_->dials_at.find(address);
  return found == network_->dials_at.end() ? 0 : found->second;
}

int FakeTarget::destroyed() const {
  MutexLock lock(&network_->mu);
  return network_->destroyed;
}

int FakeTarget::cancels() const {
  MutexLock lock(&network_->mu);
  return network_->cancels;
}

}  // namespace chanpool
