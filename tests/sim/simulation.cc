#include "tests/sim/simulation.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "pool/core/pick_random.h"

namespace chanpool {
namespace {

// More leases than this, and the next steps give some back: a pool that is always full shows little.
constexpr size_t kManyLeases = 24;
// Lives that may wait for their last lease.
constexpr size_t kManyLives = 4;
constexpr int kAddresses = 5;
// A seed is drawn below this.
constexpr uint64_t kAnySeed = uint64_t{1} << 32;

const ScriptWriter kNobody;

std::string AddressOf(int endpoint) { return absl::StrCat("10.0.0.", endpoint, ":50051"); }

std::string EventName(PoolEvent::Kind kind) { return absl::StrCat("event ", ToString(kind)); }
std::string ReasonName(CloseReason reason) { return absl::StrCat("closed: ", ToString(reason)); }
std::string ActionName(Action::Kind kind) { return absl::StrCat("action ", ToString(kind)); }

}  // namespace

void Tally::Count(absl::string_view name, uint64_t n) {
  const auto found = counts_.find(name);
  if (found != counts_.end()) {
    found->second += n;
  } else if (n > 0) {
    counts_.emplace(std::string(name), n);
  }
}

void Tally::Add(const Tally& other) {
  for (const auto& [name, n] : other.counts_) Count(name, n);
}

uint64_t Tally::of(absl::string_view name) const {
  const auto found = counts_.find(name);
  return found == counts_.end() ? 0 : found->second;
}

void Tally::Print() const {
  for (const auto& [name, n] : counts_)
    std::printf("  %-32s %10llu\n", name.c_str(), static_cast<unsigned long long>(n));
}

std::string Tally::ToText() const {
  std::string text;
  for (const auto& [name, n] : counts_) absl::StrAppend(&text, name, "\t", n, "\n");
  return text;
}

Tally Tally::FromText(absl::string_view text) {
  Tally tally;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(line, '\t');
    uint64_t n = 0;
    if (absl::SimpleAtoi(parts.second, &n)) tally.Count(parts.first, n);
  }
  return tally;
}

const std::vector<Simulation::Step>& Simulation::Steps() {
  static const auto* steps = new std::vector<Step>{
      {"acquire_now", 200, &Simulation::AcquireNow},
      {"acquire_now_wait_for_ready", 30, &Simulation::AcquireNowWaitForReady},
      {"acquire_async", 170, &Simulation::AcquireAsync},
      {"acquire_without_patience", 15, &Simulation::AcquireWithoutPatience},
      {"acquire_with_wishes", 60, &Simulation::AcquireWithWishes},
      {"try_acquire_with_wishes", 30, &Simulation::TryAcquireWithWishes},
      {"release_one", 290, &Simulation::ReleaseOne},
      {"release_many", 6, &Simulation::ReleaseMany},
      {"cancel_one", 25, &Simulation::CancelOne},
      {"suspect_one", 25, &Simulation::SuspectOne},
      {"check_one", 8, &Simulation::CheckOne},
      {"discard_one", 12, &Simulation::DiscardOne},
      {"set_max_idle_of_one", 8, &Simulation::SetMaxIdleOfOne},
      {"ask_for_notice", 60, &Simulation::AskForNotice},
      {"change_probes", 10, &Simulation::ChangeProbes},
      {"answer_probes", 15, &Simulation::AnswerProbes},
      {"change_dials", 12, &Simulation::ChangeDials},
      {"answer_dials", 40, &Simulation::AnswerDials},
      {"answer_one_dial", 20, &Simulation::AnswerOneDial},
      {"lose_one", 15, &Simulation::LoseOne},
      {"lose_all", 3, &Simulation::LoseAll},
      {"advance_a_bit", 90, &Simulation::AdvanceABit},
      {"advance_far", 4, &Simulation::AdvanceFar},
      {"advance_to_alarm", 20, &Simulation::AdvanceToAlarm},
      {"reconfigure", 4, &Simulation::Reconfigure},
      {"override", 3, &Simulation::Override},
      {"recycle", 5, &Simulation::Recycle},
      {"stop_recycle", 3, &Simulation::StopRecycle},
      {"redirect", 2, &Simulation::Redirect},
      {"pause", 6, &Simulation::Pause},
      {"unpause", 6, &Simulation::Unpause},
      {"begin_drain", 3, &Simulation::BeginDrain},
      {"cancel_draining_calls", 3, &Simulation::CancelDrainingCalls},
      {"drain_without_patience", 1, &Simulation::DrainWithoutPatience},
      {"resume", 12, &Simulation::Resume},
      {"destroy_and_create", 1, &Simulation::DestroyAndCreate},
      {"jump_wall", 5, &Simulation::JumpWall},
      {"run_closer", 90, &Simulation::RunCloser},
      {"wait_for_ready", 5, &Simulation::WaitForReady},
      {"try_to_connect", 3, &Simulation::TryToConnect},
      {"report_too_late", 5, &Simulation::ReportTooLate},
      {"report_twice", 5, &Simulation::ReportTwice},
      {"settle", 1, &Simulation::Settle},
      {"set_endpoints", 6, &Simulation::SetEndpoints},
      {"kill_endpoint", 8, &Simulation::KillEndpoint},
      {"slow_endpoint", 20, &Simulation::SlowEndpoint},
      {"tell_backend", 40, &Simulation::TellBackend},
  };
  return *steps;
}

std::vector<std::string> EverythingThatCanHappen() {
  std::vector<std::string> names;
  for (int i = 0; i < kActionKinds; ++i) names.push_back(ActionName(static_cast<Action::Kind>(i)));
  for (int i = 0; i < kCloseReasons; ++i) names.push_back(ReasonName(static_cast<CloseReason>(i)));
  for (int i = 0; i < kPoolEventKinds; ++i) {
    const auto kind = static_cast<PoolEvent::Kind>(i);
    // Certificates are the transport's, and there is none here.
    if (kind == PoolEvent::Kind::kCertificateChanged || kind == PoolEvent::Kind::kCertificateRefused ||
        kind == PoolEvent::Kind::kCertificateExpiring) {
      continue;
    }
    names.push_back(EventName(kind));
  }
  for (const auto& step : Simulation::Steps()) names.emplace_back(step.name);
  names.emplace_back("shrunk by load");
  for (const char* name :
       {"validations", "validation failures", "health checks", "leaks suspected", "drain notice", "rerolls"}) {
    names.emplace_back(name);
  }
  return names;
}

// --- Beginning and end --------------------------------------------------------------------------------------------

Simulation::Simulation(uint64_t seed, ScriptWriter record) : seed_(seed), record_(std::move(record)) {
  if (record_ != nullptr) record_(kCreate);
  Begin(0, nullptr);
  CreatePool();
}

Simulation::Simulation(Script script) : script_(std::move(script)) {
  const ScriptStep bare{kCreate, {}};
  Begin(0, !script_.empty() && script_[0].name == kCreate ? &script_[0] : &bare);
  CreatePool();
}

Simulation::~Simulation() {
  leases_.clear();
  life_ = nullptr;
  for (auto& life : lives_) {
    if (life->pool != nullptr) life->pool->Destroy();
    life->subscription = Subscription();
    life->pool = nullptr;
  }
  closer_.RunAll();
}

void Simulation::CreatePool() {
  lives_.push_back(std::make_unique<Life>());
  life_ = lives_.back().get();
  life_->pool = Pool::Create({"simulated", AnyOptions(),
                              std::make_unique<WatchedConnector>(life_->target.NewConnector(), &life_->asked), &clock_,
                              &closer_, /*seed=*/Draw(kAnySeed)});
  life_->watch = life_->pool;
  life_->rate_since = clock_.Now();
  life_->options = life_->pool->options();
  life_->subscription = life_->pool->Subscribe([this, life = life_](const PoolEvent& event) { OnEvent(life, event); });
  leave_ = PoolView();
  before_ = Look();
}

std::string Simulation::HowItOutlived(const Life& life) {
  if (!life.broken.empty()) return life.broken;
  if (life.target.alive() != 0) return absl::StrCat(life.target.alive(), " connections have outlived their pool");
  if (life.asked.created != life.asked.destroyed) return "created and destroyed differ";
  if (!life.watch.expired()) return "somebody still keeps a pool that has ended";
  // The last events of all may be among those for which the queue had no room: no later one shows the gap.
  const bool complete = !life.ran_over && std::max(life.told_now, life.told_before) < EventFeed::kMaxQueued;
  if (complete && !life.last_event.empty()) return "the events of a connection do not end with closed";
  return "";
}

// What the step numbered `index` draws from now on, and what the pool draws during it.
void Simulation::Begin(uint64_t index, const ScriptStep* replayed) {
  if (replayed != nullptr) {
    draws_.BeginReplay(replayed->draws);
  } else {
    draws_.BeginStream(seed_, index, record_);
  }
  ThisThreadsRandom() = PickRandom(Draw(kAnySeed));
}

std::string Simulation::Make(int number, const Step& step) {
  if (begun_ != nullptr) begun_(number);
  leave_ = PoolView();
  Hash(&step - Steps().data());
  (this->*step.make)();
  tally_.Count(step.name);
  std::string broken = Check();
  if (told_ != nullptr) told_(number, step.name, before_);
  if (!broken.empty()) broken = absl::StrCat("step ", number, " (", step.name, "): ", broken);
  return broken;
}

std::string Simulation::Run(int steps) {
  int all_weights = 0;
  for (const Step& step : Steps()) all_weights += step.weight;
  for (int i = 0; i < steps; ++i) {
    const uint64_t index = static_cast<uint64_t>(i) + 1;
    // Which step it is comes from a stream apart: what a step draws does not depend on how it was chosen.
    draws_.BeginStream(~seed_, index, kNobody);
    int at = static_cast<int>(draws_.Below(all_weights));
    const Step* step = Steps().data();
    while (at >= step->weight) at -= (step++)->weight;
    if (record_ != nullptr) record_(absl::StrCat("\n", step->name));
    Begin(index, nullptr);
    const std::string broken = Make(i, *step);
    if (!broken.empty()) return broken;
  }
  return End();
}

std::string Simulation::Replay() {
  for (size_t i = 0; i < script_.size(); ++i) {
    const ScriptStep& replayed = script_[i];
    if (i == 0 && replayed.name == kCreate) continue;
    const auto step =
        std::find_if(Steps().begin(), Steps().end(), [&](const Step& s) { return s.name == replayed.name; });
    if (step == Steps().end()) return absl::StrCat("there is no step \"", replayed.name, "\"");
    Begin(0, &replayed);
    const std::string broken = Make(static_cast<int>(i), *step);
    if (!broken.empty()) return broken;
  }
  return End();
}

std::string Simulation::End() {
  // The end: everybody gives back, everything is closed.
  for (auto& life : lives_) {
    if (life->pool != nullptr) life->pool->Destroy();
  }
  leases_.clear();
  RunCloserNow();
  leases_.clear();  // Those that had been on their way.
  RunCloserNow();
  if (!tickets_.empty()) return absl::StrCat(tickets_.size(), " AcquireAsyncs have not ended with their pool");
  for (auto& life : lives_) {
    life->subscription = Subscription();
    life->pool = nullptr;
    const std::string outlived = HowItOutlived(*life);
    if (!outlived.empty()) return outlived;
  }
  return broken_;
}

// --- Looking ------------------------------------------------------------------------------------------------------

PoolView Simulation::Look() {
  PoolView view = leave_;
  view.stats = life_->pool->Stats();
  view.connections = life_->pool->Connections();
  view.endpoints = life_->pool->Endpoints();
  view.options = life_->pool->options();
  // Copies up to 512 of them: not after each step.
  view.decisions =
      view.stats.acquired % 64 == 0 ? static_cast<int>(life_->pool->Decisions().size()) : before_.decisions;
  view.now = clock_.Now();
  view.held = life_->held;
  for (const auto& ticket : tickets_) {
    if (ticket->life != life_) continue;
    ++view.pending;
    view.pending_in_time += ticket->deadline >= view.now;  // The alarm rings when time moves.
  }
  view.acquires = life_->acquires;
  view.ended_cancelled = life_->cancelled;
  view.alive = life_->target.alive();
  view.destroyed = life_->target.destroyed();
  view.dials = life_->target.dials();
  view.opened_reports = static_cast<int>(life_->asked.reported_open + life_->rogue_opened);
  view.paused_until = life_->paused_until;
  view.opened_since = view.stats.opened - life_->opened_before;
  view.rate_in_force = view.now - life_->rate_since;
  view.insisted = life_->insisted;
  // What was under way when an option was lowered may go on, and only become less.
  view.permitted_replacing =
      std::max({1, view.options.max_surge, std::min(before_.permitted_replacing, view.stats.connections_replacing)});
  view.permitted_lingering =
      std::max(view.options.max_connections, std::min(before_.permitted_lingering, view.stats.connections_lingering));
  view.permitted_waiters = std::max(view.options.max_waiters, std::min(before_.permitted_waiters, view.stats.waiters));
  view.permitted_connecting =
      std::max(view.options.max_connecting, std::min(before_.permitted_connecting, view.stats.connections_connecting));
  return view;
}

std::string Simulation::Check() {
  if (!broken_.empty()) return broken_;
  for (const auto& life : lives_) {
    if (!life->broken.empty()) return life->broken;
  }
  const absl::Status inside = life_->pool->CheckInvariants();
  if (!inside.ok()) return absl::StrCat("CheckInvariants: ", inside.message());
  PoolView after = Look();
  const std::string broken = Violation(before_, after);
  if (!broken.empty()) return broken;
  tally_.Count("validations", after.stats.validations - before_.stats.validations);
  tally_.Count("validation failures", after.stats.validation_failures - before_.stats.validation_failures);
  tally_.Count("health checks", after.stats.health_checks - before_.stats.health_checks);
  tally_.Count("leaks suspected", after.stats.leaks_suspected - before_.stats.leaks_suspected);
  tally_.Count("rerolls", after.stats.rerolls - before_.stats.rerolls);
  if (after.stats.connections_backoff > before_.stats.connections_backoff) tally_.Count("action back_off");
  Hash(after.stats.acquired);
  Hash(after.stats.leases);
  Hash(after.stats.connections);
  Hash(static_cast<uint64_t>(absl::ToUnixNanos(after.now)));
  for (const ConnectionStats& row : after.connections)
    Hash(row.id.slot * 1000003ull + row.id.generation * 8 + static_cast<int>(row.state));
  before_ = std::move(after);
  return "";
}

void Simulation::Hash(uint64_t value) { trace_ = (trace_ ^ value) * 0x100000001b3ull; }

// Every connection lives once: connecting, then opened or failed, then draining, then closed.
void Simulation::OnEvent(Life* life, const PoolEvent& event) {
  tally_.Count(EventName(event.kind));
  using Kind = PoolEvent::Kind;
  const auto broken = [&](absl::string_view what) {
    life->broken = absl::StrCat("event ", event.sequence, " (", ToString(event.kind), " of ",
                                event.connection.ToString(), "): ", what);
  };
  // The pool has told what it did before anybody could subscribe; after that none may be missing.
  const bool first = life->last_sequence == 0;
  ++life->told_now;
  if (!first && event.sequence != life->last_sequence + 1) {
    if (std::max(life->told_now - 1, life->told_before) < EventFeed::kMaxQueued) return broken("an event is missing");
    life->last_event.clear();  // The closer slept while the queue ran over: what began unseen is unknown.
    life->ran_over = true;
    tally_.Count("events ran over");
  }
  life->last_sequence = event.sequence;
  const std::pair<uint32_t, uint32_t> id{event.connection.slot, event.connection.generation};
  const auto known = life->last_event.find(id);
  const bool from_before = (event.connection.generation == 1 || life->ran_over) && known == life->last_event.end();
  switch (event.kind) {
    case Kind::kConnecting:
      if (known != life->last_event.end()) return broken("it connects twice");
      life->last_event[id] = event.kind;
      tally_.Count("action open");
      for (const char* grows : {"demand", "a call", "asked"}) {
        if (absl::StartsWith(event.detail, grows)) life->grew_at = event.time;
      }
      break;
    case Kind::kClosed:
      if (!from_before && (known == life->last_event.end() || known->second == Kind::kConnecting)) {
        return broken("it closes without having drained");
      }
      if (known != life->last_event.end()) life->last_event.erase(known);
      tally_.Count(ReasonName(event.reason));
      break;
    case Kind::kOpened:
    case Kind::kConnectFailed:
    case Kind::kChecking:
    case Kind::kDraining:
    case Kind::kLingering:
      if (!from_before && known == life->last_event.end()) return broken("it lives without having begun");
      if (known != life->last_event.end() && event.kind != Kind::kLingering &&
          (known->second == Kind::kDraining || known->second == Kind::kLingering)) {
        return broken("it drained before");
      }
      life->last_event[id] = event.kind;
      if (event.kind == Kind::kOpened) tally_.Count("action publish");
      if (event.kind == Kind::kDraining) {
        tally_.Count(event.reason == CloseReason::kIdle ? "action drain_if_unused" : "action drain");
        if (event.reason == CloseReason::kShrunk && !event.detail.empty()) {
          tally_.Count("shrunk by load");
          if (event.time != life->shrank_at) life->shrunk = 0;
          life->shrank_at = event.time;
          if (++life->shrunk > life->options.max_shrink_step) return broken("more than max_shrink_step at once");
          if (event.time - life->grew_at < life->options.shrink_cooldown) return broken("within the cool-down");
          if (life->options.shrink_below == 0) return broken("nobody asked for that");
        }
      }
      break;
    case Kind::kPoolUnpaused:
      tally_.Count("action unpause");
      break;
    default:
      break;
  }
}

// --- Callers ------------------------------------------------------------------------------------------------------

void Simulation::Hold(absl::StatusOr<Place> place) {
  ++life_->acquires;
  if (!place.ok()) return Hash(static_cast<uint64_t>(place.status().code()));
  const ConnectionId id = place->id();
  Hash(id.slot);
  if (place->connection() == nullptr) broken_ = "a lease on no connection";
  ++life_->held;
  leases_.push_back({*std::move(place), life_});
}

void Simulation::AcquireNow() {
  leave_.may_overcommit = life_->pool->options().overflow == OverflowPolicy::kOvercommit;
  Hold(life_->pool->AcquireNow(/*wait_for_ready=*/false));
  if (leases_.size() > kManyLeases) ReleaseOne();
}

void Simulation::AcquireNowWaitForReady() {
  leave_.may_overcommit = life_->pool->options().overflow == OverflowPolicy::kOvercommit;
  leave_.may_insist = true;
  ++life_->insisted;
  Hold(life_->pool->AcquireNow(/*wait_for_ready=*/true));
}

void Simulation::AcquireAsyncUntil(absl::Time deadline, const LeaseOptions& options) {
  auto owned = std::make_unique<Ticket>();
  Ticket* ticket = owned.get();
  ticket->life = life_;
  ticket->deadline = deadline == absl::InfiniteFuture() ? deadline : clock_.Now() + (deadline - clock_.WallNow());
  ++life_->acquires;
  tickets_.push_back(std::move(owned));
  bool inside = true;
  ticket->handle = life_->pool->AcquireAsync(deadline, options, [this, ticket, &inside](absl::StatusOr<Place> place) {
    const auto found = std::find_if(tickets_.begin(), tickets_.end(), [&](const auto& t) { return t.get() == ticket; });
    if (found == tickets_.end()) {
      broken_ = "an AcquireAsync ended twice";
      return;
    }
    Life* life = ticket->life;
    if (place.ok()) {
      ++life->held;
      leases_.push_back({*std::move(place), life});
      tally_.Count("async granted");
    } else {
      life->cancelled += place.status().code() == absl::StatusCode::kCancelled;
      tally_.Count(absl::StrCat("async ", absl::StatusCodeToString(place.status().code())));
    }
    tickets_.erase(found);
    (void)inside;
  });
  inside = false;
  if (tickets_.empty() || tickets_.back().get() != ticket) broken_ = "the callback ran inside AcquireAsync";
}

LeaseOptions Simulation::AnyWishes() {
  LeaseOptions options;
  options.fresh = OneIn(3);
  if (!OneIn(3)) options.affinity_key = Pick({"a", "b", "c", "d"});
  return options;
}

void Simulation::AcquireWithWishes() {
  const LeaseOptions options = AnyWishes();
  if (OneIn(4)) {
    Hold(life_->pool->Acquire(clock_.WallNow(), options));
  } else {
    AcquireAsyncUntil(clock_.WallNow() + Pick({absl::Milliseconds(50), absl::Seconds(30), absl::InfiniteDuration()}),
                      options);
  }
}

void Simulation::TryAcquireWithWishes() {
  if (Place place = life_->pool->TryAcquire(AnyWishes())) Hold(std::move(place));
}

void Simulation::AcquireAsync() {
  const absl::Duration patience = Pick({absl::ZeroDuration(), absl::Milliseconds(1), absl::Milliseconds(50),
                                        absl::Seconds(1), absl::Seconds(30), absl::InfiniteDuration()});
  AcquireAsyncUntil(clock_.WallNow() + patience);
}

void Simulation::AcquireWithoutPatience() { Hold(life_->pool->Acquire(clock_.WallNow())); }

void Simulation::ReleaseOne() {
  if (leases_.empty()) return;
  const size_t at = Draw(leases_.size());
  std::swap(leases_[at], leases_.back());
  --leases_.back().life->held;
  if (leases_.back().notice != nullptr) leases_.back().notice->returned = true;
  const ConnectionId id = leases_.back().place.id();
  if (leases_.back().life == life_) ++leave_.returned[{id.slot, id.generation}];
  leases_.pop_back();
}

void Simulation::ReleaseMany() {
  for (size_t n = Draw(leases_.size() + 1); n > 0; --n) ReleaseOne();
}

void Simulation::CancelOne() {
  if (tickets_.empty()) return;
  tickets_[Draw(tickets_.size())]->handle.Cancel();
}

void Simulation::SuspectOne() {
  if (leases_.empty()) return;
  leases_[Draw(leases_.size())].place.Suspect();
}

void Simulation::CheckOne() { life_->pool->Check(AnyConnection()); }

void Simulation::DiscardOne() {
  if (leases_.empty()) return;
  leases_[Draw(leases_.size())].place.Discard();
}

void Simulation::SetMaxIdleOfOne() {
  if (leases_.empty()) return;
  leases_[Draw(leases_.size())].place.SetMaxIdle(
      Pick({absl::ZeroDuration(), absl::Milliseconds(100), absl::Seconds(2), absl::InfiniteDuration()}));
}

void Simulation::AskForNotice() {
  if (leases_.empty()) return;
  Lease& lease = leases_[Draw(leases_.size())];
  if (lease.notice != nullptr) return;
  lease.notice = std::make_shared<Lease::Notice>();
  lease.place.OnDraining([this, notice = lease.notice](absl::Duration grace) {
    if (++notice->runs > 1) broken_ = "a drain notice was told twice";
    if (notice->returned) broken_ = "a drain notice was told after its lease was back";
    if (grace < absl::ZeroDuration()) broken_ = "a drain notice left less than nothing";
    tally_.Count("drain notice");
  });
}

// --- The network --------------------------------------------------------------------------------------------------

void Simulation::ChangeProbes() {
  life_->target.SetProbe(Pick(
      {FakeTarget::Probe::kAnswer, FakeTarget::Probe::kAnswer, FakeTarget::Probe::kFail, FakeTarget::Probe::kHang}));
}

void Simulation::AnswerProbes() {
  const absl::Status bad =
      OneIn(2) ? absl::UnavailableError("no sign of life") : absl::ResourceExhaustedError("no free stream");
  life_->target.AnswerProbes(OneIn(3) ? bad : absl::OkStatus());
}

void Simulation::ChangeDials() {
  life_->target.SetDial(Pick({FakeTarget::Dial::kAccept, FakeTarget::Dial::kAccept, FakeTarget::Dial::kRefuse,
                              FakeTarget::Dial::kHang, FakeTarget::Dial::kFlap}));
}

void Simulation::AnswerDials() { life_->target.Answer(); }

void Simulation::AnswerOneDial() {
  const std::vector<ConnectionId> dialling = life_->target.dialling();
  if (dialling.empty()) return;
  life_->target.Answer(dialling[Draw(dialling.size())]);
}

void Simulation::LoseOne() {
  const std::vector<ConnectionId> open = life_->target.open();
  if (open.empty()) return;
  life_->target.Lose(open[Draw(open.size())], absl::UnavailableError("reset by peer"));
}

void Simulation::LoseAll() { life_->target.LoseAll(absl::UnavailableError("all reset")); }

ConnectionId Simulation::AnyConnection() {
  const std::vector<ConnectionStats> rows = life_->pool->Connections();
  return rows.empty() ? ConnectionId() : rows[Draw(rows.size())].id;
}

void Simulation::ReportTooLate() {
  ConnectionId id = AnyConnection();
  --id.generation;
  const PoolStats was = life_->pool->Stats();
  life_->pool->OnOpened(id);
  life_->pool->OnFailed(id, absl::UnavailableError("late"));
  life_->pool->OnLost(id, absl::UnavailableError("late"));
  life_->pool->OnProbed(id, absl::UnavailableError("late"));
  const PoolStats is = life_->pool->Stats();
  if (is.connections_open != was.connections_open || is.dial_failures != was.dial_failures) {
    broken_ = "a report for an earlier life was believed";
  }
}

// What no transport should do, and one does: reports that fit no state.
void Simulation::ReportTwice() {
  const ConnectionId id = AnyConnection();
  for (uint64_t n = 1 + Draw(2); n > 0; --n) {
    switch (Draw(4)) {
      case 0:
        ++life_->rogue_opened;
        life_->pool->OnOpened(id);
        break;
      case 1:
        life_->pool->OnFailed(id, absl::UnavailableError("said twice"));
        break;
      case 2:
        life_->pool->OnLost(id, absl::UnavailableError("said twice"));
        break;
      default:
        life_->pool->OnProbed(id, OneIn(2) ? absl::OkStatus() : absl::UnavailableError("said twice"));
        break;
    }
  }
}

// --- Time ---------------------------------------------------------------------------------------------------------

void Simulation::AdvanceABit() {
  clock_.Advance(Pick({absl::ZeroDuration(), absl::Nanoseconds(1), absl::Milliseconds(1), absl::Milliseconds(20),
                       absl::Milliseconds(120), absl::Seconds(1)}));
}

void Simulation::AdvanceFar() { clock_.Advance(Pick({absl::Seconds(7), absl::Seconds(31), absl::Minutes(2)})); }

// To the instant at which the pool wants to be asked again, and to the last one before it.
void Simulation::AdvanceToAlarm() {
  const absl::Time next = clock_.NextAlarm();
  if (next == absl::InfiniteFuture() || next < clock_.Now()) return;
  clock_.Advance(std::max(absl::ZeroDuration(), next - clock_.Now() - absl::Nanoseconds(static_cast<int>(Draw(2)))));
}

void Simulation::JumpWall() {
  const absl::Time was = clock_.Now();
  const std::vector<ConnectionStats> rows = life_->pool->Connections();
  clock_.JumpWall(absl::Hours(static_cast<int>(Draw(49)) - 24));
  clock_.Advance(absl::ZeroDuration());
  if (clock_.Now() != was) broken_ = "the wall moves the pool's time";
}

// --- Operators ----------------------------------------------------------------------------------------------------

PoolOptions Simulation::AnyOptions() {
  PoolOptions o;
  o.min_connections = static_cast<int>(Draw(4));
  o.max_connections = std::max(1, o.min_connections + static_cast<int>(Draw(4)));
  o.max_leases_per_connection = Pick({1, 2, 3, 5, 100});
  o.target_leases_per_connection = Pick({1, 2, 4, 80});
  o.max_surge = static_cast<int>(Draw(std::min(3, o.max_connections) + 1));
  o.max_waiters = Pick({0, 1, 6, 1000});
  o.connect_timeout = Pick({absl::Milliseconds(30), absl::Seconds(1), absl::Seconds(10)});
  o.max_idle = Pick({absl::Milliseconds(400), absl::Seconds(5), absl::Minutes(5), absl::InfiniteDuration()});
  o.max_age = Pick({absl::Milliseconds(300), absl::Seconds(10), absl::Hours(1), absl::InfiniteDuration()});
  o.max_age_jitter = Pick({0.0, 0.1, 1.0});
  o.drain_grace = Pick({absl::ZeroDuration(), absl::Milliseconds(100), absl::Seconds(30)});
  o.overflow = Pick({OverflowPolicy::kOvercommit, OverflowPolicy::kReject});
  o.selection = Pick({SelectionPolicy::kLeastLoaded, SelectionPolicy::kPack, SelectionPolicy::kRoundRobin,
                      SelectionPolicy::kLeastRecentlyUsed, SelectionPolicy::kMostRecentlyUsed});
  o.backoff_initial = Pick({absl::Milliseconds(1), absl::Milliseconds(100)});
  o.leak_after = Pick({absl::Milliseconds(200), absl::Seconds(20), absl::InfiniteDuration(), absl::InfiniteDuration()});
  o.validate_after_idle = Pick({absl::Milliseconds(300), absl::Seconds(5), absl::InfiniteDuration()});
  o.probe_after_silence = Pick({absl::Milliseconds(200), absl::Seconds(5), absl::InfiniteDuration()});
  o.probe_timeout = Pick({absl::Milliseconds(30), absl::Seconds(1), absl::Seconds(10)});
  o.validate_every = Pick({absl::Milliseconds(500), absl::Minutes(1), absl::InfiniteDuration()});
  o.backoff_max = Pick({absl::Milliseconds(100), absl::Seconds(10)});
  o.preconnect_ratio = Pick({1.0, 1.0, 1.5, 3.0});
  o.max_connecting = Pick({1, 2, 10});
  o.max_connects_per_second = Pick({0.0, 0.0, 0.0, 0.5, 3.0, 100.0});
  o.shrink_below = Pick({0.0, 0.5, 0.8, 1.0});
  o.shrink_interval = Pick({absl::Milliseconds(50), absl::Milliseconds(300), absl::Seconds(1)});
  o.shrink_cooldown = Pick({absl::ZeroDuration(), absl::Milliseconds(200), absl::Seconds(30)});
  o.max_shrink_step = Pick({1, 2, 4096});
  o.subset_size = Pick({0, 0, 1, 2});
  o.slow_start = Pick({absl::ZeroDuration(), absl::Milliseconds(50), absl::Seconds(10)});
  o.max_ejected = Pick({0.0, 0.1, 0.1, 1.0});
  o.ejection_time = Pick({absl::Milliseconds(100), absl::Seconds(30)});
  const absl::Status valid = o.Validate();
  if (!valid.ok()) broken_ = absl::StrCat("options: ", valid.message());
  return o;
}

void Simulation::Reconfigure() {
  leave_.may_dial_others = true;  // The subset may change.
  leave_.may_change_limits = true;
  const int was = life_->pool->options().max_leases_per_connection;
  const PoolOptions options = AnyOptions();
  RunCloserNow();  // What happened until now is told, and judged, under the old ones.
  life_->options = options;
  if (options.max_connects_per_second != life_->pool->options().max_connects_per_second) {
    life_->rate_since = clock_.Now();
    life_->opened_before = life_->pool->Stats().opened;
    life_->insisted = 0;
  }
  if (!life_->pool->Reconfigure(options).ok()) broken_ = "valid options were refused";
  if (options.max_leases_per_connection != was) {
    tally_.Count(ActionName(Action::Kind::kSetLimit), life_->pool->Connections().size());
  }
}

// Of options that no rule here knows from elsewhere.
void Simulation::Override() {
  if (OneIn(3)) {
    if (!life_->pool->Override(nullptr).ok()) broken_ = "an override could not be cleared";
    return;
  }
  const absl::Duration max_idle = Pick({absl::Milliseconds(100), absl::Seconds(3), absl::InfiniteDuration()});
  const absl::Status changed = life_->pool->Override([max_idle](PoolOptions& options) { options.max_idle = max_idle; });
  if (!changed.ok()) broken_ = "a valid override was refused";
  if (life_->pool->options().max_idle != max_idle) broken_ = "an override is not in force";
}

void Simulation::Recycle() { life_->pool->Recycle(); }

void Simulation::StopRecycle() { life_->pool->StopRecycle(); }

void Simulation::Redirect() { life_->pool->Redirected(); }

void Simulation::CancelDrainingCalls() { life_->pool->CancelDrainingCalls(); }

void Simulation::Pause() {
  const absl::Duration hold = Pick(
      {absl::Nanoseconds(1), absl::Milliseconds(5), absl::Milliseconds(300), absl::Seconds(20), absl::Minutes(10)});
  const PoolAdminState was = life_->pool->state();
  const bool can = InService(was);
  if (life_->pool->Pause(hold).ok() != can) broken_ = "a pause was refused, or ought to be";
  if (can) {
    const absl::Time until = clock_.Now() + hold;
    life_->paused_until = was == PoolAdminState::kPaused ? std::max(life_->paused_until, until) : until;
    tally_.Count(ActionName(Action::Kind::kPause));
  }
}

void Simulation::Unpause() {
  if (!life_->pool->Unpause().ok()) broken_ = "an unpause was refused";
}

void Simulation::BeginDrain() { life_->pool->BeginDrain(); }

void Simulation::DrainWithoutPatience() {
  const absl::Status drained = life_->pool->Drain(clock_.WallNow(), OnDeadline::kLeave);
  if (drained.ok() != life_->pool->Connections().empty()) broken_ = absl::StrCat("drain: ", drained.ToString());
}

void Simulation::Resume() {
  leave_.may_resume = true;
  if (!life_->pool->Resume().ok()) broken_ = "resume was refused";
}

void Simulation::DestroyAndCreate() {
  life_->pool->Destroy();
  const std::string broken = Check();
  if (!broken.empty()) {
    broken_ = absl::StrCat("at Destroy: ", broken);
    return;
  }
  if (life_->pool->AcquireNow(/*wait_for_ready=*/true).ok()) broken_ = "a destroyed pool lends";
  tally_.Count(ActionName(Action::Kind::kOpen), 0);
  life_->pool = nullptr;
  // The oldest give their leases back, and must be gone then.
  while (lives_.size() > kManyLives) {
    Life* oldest = lives_.front().get();
    RunCloserNow();
    for (size_t i = leases_.size(); i-- > 0;) {
      if (leases_[i].life != oldest) continue;
      std::swap(leases_[i], leases_.back());
      leases_.pop_back();
    }
    RunCloserNow();
    oldest->subscription = Subscription();
    oldest->pool = nullptr;
    if (broken_.empty()) broken_ = HowItOutlived(*oldest);
    tally_.Count(ActionName(Action::Kind::kRedial), oldest->asked.redialled);
    tally_.Count(ActionName(Action::Kind::kProbe), oldest->asked.probed);
    tally_.Count(ActionName(Action::Kind::kCancelCalls), oldest->asked.cancelled);
    if (!broken_.empty() || !oldest->broken.empty()) return;
    lives_.erase(lives_.begin());
  }
  CreatePool();
}

void Simulation::RunCloserNow() {
  for (const auto& life : lives_) {
    if (life->told_now > 0) life->told_before = std::exchange(life->told_now, 0);
  }
  closer_.RunAll();
}

void Simulation::RunCloser() {
  RunCloserNow();
  for (const Lease& lease : leases_) {
    if (lease.notice != nullptr && lease.notice->runs != lease.place.draining()) broken_ = "a drain notice is missing";
  }
  const absl::Time now = clock_.Now();
  for (const auto& ticket : tickets_) {
    if (ticket->life != life_) broken_ = "an AcquireAsync has outlived its pool";
    if (ticket->deadline < now) broken_ = "an AcquireAsync has outlived its deadline";
  }
}

void Simulation::WaitForReady() {
  const int wanted = static_cast<int>(Draw(life_->pool->options().max_connections + 2));
  const absl::Status ready = life_->pool->WaitForReady(wanted, clock_.WallNow());
  const int open = life_->pool->Stats().connections_open;
  if (ready.ok() && open < wanted) broken_ = "ready, and is not";
  if (wanted > life_->pool->options().max_connections && ready.code() != absl::StatusCode::kInvalidArgument) {
    broken_ = absl::StrCat("WaitForReady beyond max_connections: ", ready.ToString());
  }
}

void Simulation::TryToConnect() { life_->pool->TryToConnect(); }

// The target is well for a while: whatever happened before, the pool must come back.
void Simulation::Settle() {
  for (int i = 0; i < kAddresses; ++i) life_->target.SetDial(AddressOf(i), FakeTarget::Dial::kAccept);
  life_->target.SetDial(FakeTarget::Dial::kAccept);
  life_->target.SetProbe(FakeTarget::Probe::kAnswer);
  life_->target.Answer();
  life_->target.AnswerProbes(absl::OkStatus());
  const PoolOptions options = life_->pool->options();
  absl::Duration dialling = options.connect_timeout;
  if (options.max_connects_per_second > 0) {
    dialling += absl::Seconds((options.max_connections + 2 * options.max_surge) / options.max_connects_per_second);
  }
  clock_.Advance(options.backoff_max * 1.3 + dialling + absl::Seconds(3));
  RunCloserNow();
  const PoolStats stats = life_->pool->Stats();
  if (stats.state != PoolAdminState::kActive) return;
  // Without surge, the one that is being replaced is closed first.
  const int between = options.max_surge == 0 ? stats.connections_replacing : 0;
  if (stats.connections_open < options.min_connections - between) {
    broken_ = absl::StrCat("the target is well, and ", stats.connections_open, " of ", options.min_connections,
                           " connections are open");
  }
  if (stats.waiters > 0 && stats.connections_open < options.max_connections) {
    broken_ = absl::StrCat("the target is well, callers wait, and ", stats.connections_open, " of ",
                           options.max_connections, " connections are open");
  }
  const std::string uneven = HowUneven();
  if (!uneven.empty()) broken_ = absl::StrCat("the target is well, and there are ", uneven);
}

// --- Endpoints ----------------------------------------------------------------------------------------------------

std::string Simulation::AnyAddress() { return AddressOf(static_cast<int>(Draw(kAddresses))); }

void Simulation::SetEndpoints() {
  leave_.may_dial_others = true;
  std::vector<Endpoint> endpoints;
  for (int i = 0; i < kAddresses; ++i) {
    if (OneIn(2)) endpoints.push_back({AddressOf(i), OneIn(2) ? 1 : 1 + static_cast<int>(Draw(5))});
  }
  if (life_->pool->SetEndpoints(endpoints).ok() == endpoints.empty()) broken_ = "endpoints: taken, or not";
}

void Simulation::KillEndpoint() {
  const std::string address = AnyAddress();
  life_->target.SetDial(address, Pick({FakeTarget::Dial::kRefuse, FakeTarget::Dial::kHang, FakeTarget::Dial::kAccept}));
  if (OneIn(2)) life_->target.LoseAt(address, absl::UnavailableError("killed"));
}

// Behind a balancer: an answer says where it comes from.
void Simulation::TellBackend() {
  if (OneIn(4)) life_->pool->SetRerolls(Pick({0, 6, kMaxRerollsPerMinute}));
  for (int i = 0; i < 3; ++i) life_->pool->OnBackend(AnyConnection(), absl::StrCat("b", Draw(2)));
}

// Calls on one endpoint take long or fail, those on the others are well.
void Simulation::SlowEndpoint() {
  const std::string bad = AnyAddress();
  const CallOutcome outcome = Pick({CallOutcome::kAnswered, CallOutcome::kFailed, CallOutcome::kUnavailable,
                                    CallOutcome::kOverloaded, CallOutcome::kUnknown});
  std::map<std::pair<uint32_t, uint32_t>, std::string> addresses;
  for (const ConnectionStats& row : life_->pool->Connections()) {
    addresses[{row.id.slot, row.id.generation}] = row.address;
  }
  for (Lease& lease : leases_) {
    if (lease.life != life_) continue;
    const ConnectionId id = lease.place.id();
    const bool is_bad = addresses[{id.slot, id.generation}] == bad;
    for (uint64_t n = Draw(60); n > 0; --n) {
      lease.place.ReportCall(is_bad ? outcome : CallOutcome::kAnswered,
                             is_bad ? absl::Seconds(1) : absl::Milliseconds(2));
    }
  }
}

std::string Simulation::HowUneven() const {
  const PoolStats stats = life_->pool->Stats();
  const PoolOptions options = life_->pool->options();
  // What is under way takes the places that repairs need, and a rate has its own time.
  if (!InService(stats.state) || options.max_connects_per_second > 0) return "";
  if (stats.connections_replacing + stats.connections_connecting + stats.connections_checking > 0) return "";
  const std::vector<EndpointStats> rows = life_->pool->Endpoints();
  for (const EndpointStats& full : rows) {
    for (const EndpointStats& empty : rows) {
      if (empty.state != EndpointState::kHealthy || full.connections_open == 0) continue;
      if ((full.connections - 1) * empty.endpoint.weight <= empty.connections * full.endpoint.weight) continue;
      return absl::StrCat(full.connections, " connections to ", full.endpoint.address, " of weight ",
                          full.endpoint.weight, ", ", empty.connections, " to ", empty.endpoint.address, " of weight ",
                          empty.endpoint.weight);
    }
  }
  return "";
}

}  // namespace chanpool
