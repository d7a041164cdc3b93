#include "pool/grpc/name_resolver.h"

#include <netinet/in.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "pool/grpc/dns_thread.h"

namespace chanpool {

NameResolver::NameResolver(TargetName name, DnsOptions options, Clock* clock, absl::Duration race_limit)
    : name_(std::move(name)), options_(std::move(options)), clock_(clock), race_limit_(race_limit) {
  stats_.name = name_.host;
  stats_.servers = options_.servers;
}

template <typename Member>
void NameResolver::Post(Member member) {
  DnsThread::Get()->Post([weak = weak_from_this(), member] {
    if (const std::shared_ptr<NameResolver> self = weak.lock(); self != nullptr && !self->ended_) member(*self);
  });
}

template <typename Member>
std::unique_ptr<Alarm> NameResolver::NewAlarm(Member member) {
  return clock_->NewAlarm([weak = weak_from_this(), member] {
    if (const std::shared_ptr<NameResolver> self = weak.lock()) self->Post(member);
  });
}

std::shared_ptr<NameResolver> NameResolver::Create(TargetName name, DnsOptions options, Clock* clock,
                                                   absl::Duration race_limit) {
  if (options.servers.empty() && !name.dns_server.empty()) options.servers = {name.dns_server};
  std::shared_ptr<NameResolver> made(new NameResolver(std::move(name), std::move(options), clock, race_limit));
  made->next_ = made->NewAlarm([](NameResolver& self) { self.LookUp(); });
  made->lookup_limit_ = made->NewAlarm([](NameResolver& self) { self.OnTimeout(); });
  made->race_alarm_ = made->NewAlarm([](NameResolver& self) { self.OnRaceTimeout(); });
  return made;
}

Endpoint NameResolver::Unresolved() {
  Endpoint endpoint;
  endpoint.on_trial = true;
  return endpoint;
}

void NameResolver::Begin(const std::shared_ptr<Pool>& pool) {
  Subscription events = pool->Subscribe([weak = weak_from_this()](const PoolEvent& event) {
    if (const std::shared_ptr<NameResolver> self = weak.lock()) {
      self->Post([event](NameResolver& resolver) { resolver.OnEvent(event); });
    }
  });
  const auto shared = std::make_shared<Subscription>(std::move(events));  // std::function wants copies.
  Post([weak = std::weak_ptr<Pool>(pool), shared](NameResolver& self) {
    self.begun_ = true;
    self.pool_ = weak;
    self.events_ = std::move(*shared);
    self.LookUp();
  });
}

void NameResolver::End() {
  Post([](NameResolver& self) { self.Stop(); });
}

void NameResolver::Stop() {
  ended_ = true;
  events_ = Subscription();
  for (const auto& alarm : {next_.get(), lookup_limit_.get(), race_alarm_.get()}) alarm->Set(absl::InfiniteFuture());
  for (std::shared_ptr<DnsLookup>& lookup : lookups_) {
    if (lookup != nullptr) std::exchange(lookup, nullptr)->Cancel();
  }
  if (race_ != nullptr) std::exchange(race_, nullptr)->Cancel();
}

void NameResolver::Await(std::weak_ptr<Guest> guest) {
  Post([guest = std::move(guest)](NameResolver& self) {
    const std::shared_ptr<Guest> waits = guest.lock();
    if (waits == nullptr) return;
    if (self.used_) return waits->OnAddress(self.first_);
    const auto gone = [](const std::weak_ptr<Guest>& other) { return other.expired(); };
    self.guests_.erase(std::remove_if(self.guests_.begin(), self.guests_.end(), gone), self.guests_.end());
    self.guests_.push_back(guest);
    if (self.begun_ && self.race_ == nullptr) self.LookUp();
  });
}

void NameResolver::CountHit() {
  MutexLock lock(&mu_);
  ++stats_.hits;
}

ResolutionStats NameResolver::Stats() const {
  MutexLock lock(&mu_);
  return stats_;
}

// --- Looking up ---------------------------------------------------------------------------------------------------

void NameResolver::LookUp() {
  const auto under_way = [](const auto& lookup) { return lookup != nullptr; };
  if (std::any_of(lookups_.begin(), lookups_.end(), under_way)) return;
  ++round_;
  asked_at_ = clock_->Now();
  next_->Set(absl::InfiniteFuture());
  {
    MutexLock lock(&mu_);
    ++stats_.misses;
  }
  lookup_limit_->Set(asked_at_ + options_.timeout);
  results_.fill(absl::UnavailableError("not asked"));
  for (const Family family : {kV4, kV6}) {
    std::shared_ptr<DnsLookup> lookup =
        DnsLookup::Begin(name_.host, family == kV4 ? AF_INET : AF_INET6, options_.servers, options_.timeout,
                         [weak = weak_from_this(), family, round = round_](absl::StatusOr<DnsAnswer> answer) {
                           const std::shared_ptr<NameResolver> self = weak.lock();
                           if (self == nullptr) return;
                           // Later: it may end inside Begin, before both are under way.
                           self->Post([family, round, answer](NameResolver& resolver) {
                             if (round == resolver.round_) resolver.OnAnswer(family, answer);
                           });
                         });
    lookups_[family] = std::move(lookup);
  }
}

void NameResolver::OnTimeout() {
  for (const Family family : {kV4, kV6}) {
    if (lookups_[family] == nullptr) continue;
    lookups_[family]->Cancel();
    OnAnswer(family, absl::UnavailableError(absl::StrCat("name \"", name_.host, "\": no answer within ",
                                                         absl::FormatDuration(options_.timeout))));
  }
}

void NameResolver::OnAnswer(Family family, absl::StatusOr<DnsAnswer> answer) {
  if (lookups_[family] == nullptr) return;  // It came together with the end of its time.
  lookups_[family] = nullptr;
  results_[family] = answer.status();
  if (answer.ok()) known_[family] = {std::move(answer->ips), answer->ttl};
  const DnsLookup* const other = lookups_[family == kV4 ? kV6 : kV4].get();
  if (other == nullptr) return OnLookUpEnd();
  // The other family may take long, or for ever: later it only adds to what races, or waits for its turn. Its answer
  // from the hosts file is on its way.
  if (answer.ok() && !used_ && !other->over()) UseAnswer();
}

void NameResolver::OnLookUpEnd() {
  lookup_limit_->Set(absl::InfiniteFuture());
  const absl::Time now = clock_->Now();
  const bool answered = results_[kV4].ok() || results_[kV6].ok();
  absl::Duration ttl = absl::InfiniteDuration();
  for (const Family family : {kV4, kV6}) {
    // That there are none is an answer, if the other family has some. Silence is not.
    if (answered && absl::IsNotFound(results_[family])) known_[family] = Known();
    if (results_[family].ok()) ttl = std::min(ttl, known_[family].ttl);
  }
  ttl = std::clamp(ttl, options_.min_ttl, options_.max_ttl);
  const bool known = !Candidates().empty();
  // The family that says more than "none".
  const absl::Status why = absl::IsNotFound(results_[kV4]) ? results_[kV6] : results_[kV4];
  absl::Time next = now + ttl;
  if (!answered) next = known ? now + std::max(options_.min_interval, options_.min_ttl) : absl::InfiniteFuture();
  {
    MutexLock lock(&mu_);
    stats_.next_at = next;
    if (answered) {
      stats_.state = ResolutionState::kResolved;
      stats_.answered_at = now;
      stats_.ttl = ttl;
      stats_.addresses = static_cast<int>(Candidates().size());
    } else {
      stats_.state = known ? ResolutionState::kStale : ResolutionState::kFailed;
      ++stats_.failures;
    }
    if (!why.ok() && !answered) {
      stats_.last_error = std::string(why.message());
      stats_.failed_at = now;
    }
  }
  next_->Set(next);
  if (known) return UseAnswer();
  // A guest that looks again at once begins a new one.
  for (const std::weak_ptr<Guest>& guest : std::exchange(guests_, {})) {
    if (const std::shared_ptr<Guest> waits = guest.lock()) waits->OnNoAddress(why);
  }
}

void NameResolver::OnEvent(const PoolEvent& event) {
  const bool failed = event.kind == PoolEvent::Kind::kConnectFailed;
  const bool opened = event.kind == PoolEvent::Kind::kOpened;
  const bool lost = event.kind == PoolEvent::Kind::kDraining &&
                    (event.reason == CloseReason::kLost || event.reason == CloseReason::kProbeFailed);
  if (!used_) return;
  if ((opened || failed) && on_trial_) {
    on_trial_ = false;
    Publish(family_);
  }
  if (failed || lost) OnTrouble();
}

void NameResolver::OnTrouble() {
  const std::shared_ptr<Pool> pool = pool_.lock();
  if (pool == nullptr) return;
  const PoolConnectivity now = pool->Connectivity();
  const bool none_open = now == PoolConnectivity::kTransientFailure || now == PoolConnectivity::kConnecting;
  if (none_open && !known_[family_ == kV4 ? kV6 : kV4].ips.empty()) BeginRace();
  const absl::Time at = asked_at_ + options_.min_interval;
  if (at <= clock_->Now()) return LookUp();
  {
    MutexLock lock(&mu_);
    if (stats_.next_at <= at) return;
    stats_.next_at = at;
  }
  next_->Set(at);
}

// --- Choosing -----------------------------------------------------------------------------------------------------

std::vector<std::pair<NameResolver::Family, std::string>> NameResolver::Candidates() const {
  std::vector<std::pair<Family, std::string>> candidates;
  for (size_t i = 0; i < std::max(known_[kV4].ips.size(), known_[kV6].ips.size()); ++i) {
    for (const Family family : {kV6, kV4}) {  // In turn, so that a dead family does not fill the race.
      if (i < known_[family].ips.size()) candidates.emplace_back(family, known_[family].ips[i]);
    }
  }
  return candidates;
}

void NameResolver::UseAnswer() {
  if (race_ != nullptr) {
    if (used_) return;  // Its end uses what is known then.
    // Those that race may all hear nothing, and are not to hold up the others.
    std::exchange(race_, nullptr)->Cancel();
  }
  if (!used_ || known_[family_].ips.empty()) return BeginRace();
  if (!on_trial_) return Publish(family_);
  const std::vector<std::string>& ips = known_[family_].ips;
  if (std::find(ips.begin(), ips.end(), first_) == ips.end()) BeginRace();
}

void NameResolver::BeginRace() {
  if (race_ != nullptr) return;
  const std::vector<std::pair<Family, std::string>> candidates = Candidates();
  // Alone only if the other family has nothing to say: what is dialled unseen may hear nothing for long.
  const bool all_known = lookups_[kV4] == nullptr && lookups_[kV6] == nullptr;
  if (candidates.size() == 1 && all_known) return OnRaceEnd(candidates[0]);
  std::vector<IpPort> addresses;
  int port = 0;
  (void)absl::SimpleAtoi(name_.port, &port);  // It was read as one.
  for (const auto& [family, ip] : candidates) addresses.push_back({ip, port});
  race_ = AddressRace::Begin(std::move(addresses), [weak = weak_from_this(), candidates](std::optional<size_t> first) {
    const std::shared_ptr<NameResolver> self = weak.lock();
    if (self == nullptr || self->ended_) return;
    self->OnRaceEnd(first ? std::make_optional(candidates[*first]) : std::nullopt);
  });
  race_alarm_->Set(clock_->Now() + race_limit_);
}

void NameResolver::OnRaceTimeout() {
  if (race_ == nullptr) return;
  race_->Cancel();
  OnRaceEnd(std::nullopt);
}

void NameResolver::OnRaceEnd(std::optional<std::pair<Family, std::string>> first) {
  race_ = nullptr;
  race_alarm_->Set(absl::InfiniteFuture());
  if (first && used_ && first->first == family_) return Publish(family_);
  // Nobody answers: the pool dials, and tells why not.
  if (!first && used_ && !known_[family_].ips.empty()) return Publish(family_);
  if (!first && Candidates().empty()) return;
  const auto [family, ip] = first ? *first : Candidates().front();
  used_ = true;
  family_ = family;
  first_ = ip;
  on_trial_ = first && known_[family].ips.size() > 1;
  for (const std::weak_ptr<Guest>& guest : std::exchange(guests_, {})) {
    if (const std::shared_ptr<Guest> waits = guest.lock()) waits->OnAddress(ip);
  }
  Publish(family);
}

std::vector<Endpoint> NameResolver::Addresses() const {
  MutexLock lock(&mu_);
  return addresses_;
}

void NameResolver::Publish(Family family) {
  std::vector<Endpoint> endpoints, all;
  for (const std::string& ip : known_[family].ips) {
    Endpoint endpoint;
    endpoint.address = AddressTarget(ip, name_.port);
    all.push_back(endpoint);
    if (on_trial_ && ip != first_) continue;
    endpoint.on_trial = on_trial_;
    endpoints.push_back(std::move(endpoint));
  }
  {
    MutexLock lock(&mu_);
    addresses_ = std::move(all);
  }
  const auto pool = pool_.lock();
  if (pool == nullptr) return Stop();
  // Refused only by a pool that has ended.
  if (!endpoints.empty() && !pool->SetEndpoints(endpoints).ok()) Stop();
}

}  // namespace chanpool
