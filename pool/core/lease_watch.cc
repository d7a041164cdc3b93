#include "pool/core/lease_watch.h"

#include <algorithm>
#include <atomic>

namespace chanpool {
namespace {

size_t ThisThreadsStripe() {
  static std::atomic<size_t> threads{0};
  thread_local const size_t mine = threads.fetch_add(1, std::memory_order_relaxed);
  return mine;
}

LongLease Describe(const LeaseNote& note) { return {note.connection, note.since, note.site}; }

}  // namespace

void LeaseWatch::List::PushBack(LeaseNote* note) {
  note->previous = last;
  note->next = nullptr;
  (last == nullptr ? first : last->next) = note;
  last = note;
}

void LeaseWatch::List::Remove(LeaseNote* note) {
  (note->previous == nullptr ? first : note->previous->next) = note->next;
  (note->next == nullptr ? last : note->next->previous) = note->previous;
}

void LeaseWatch::Add(LeaseNote* note) {
  note->stripe = ThisThreadsStripe() % stripes_.size();
  Stripe& stripe = stripes_[note->stripe];
  MutexLock lock(&stripe.mu);
  stripe.untold.PushBack(note);
}

bool LeaseWatch::Remove(LeaseNote* note) {
  Stripe& stripe = stripes_[note->stripe];
  MutexLock lock(&stripe.mu);
  (note->told ? stripe.told : stripe.untold).Remove(note);
  stripe.told_size -= note->told;
  return note->told;
}

std::vector<LongLease> LeaseWatch::TakeOverdue(absl::Time until, size_t most) {
  std::vector<LongLease> overdue;
  for (Stripe& stripe : stripes_) {
    MutexLock lock(&stripe.mu);
    while (overdue.size() < most && stripe.untold.first != nullptr && stripe.untold.first->since <= until) {
      LeaseNote* note = stripe.untold.first;
      stripe.untold.Remove(note);
      stripe.told.PushBack(note);
      ++stripe.told_size;
      note->told = true;
      overdue.push_back(Describe(*note));
    }
  }
  return overdue;
}

std::vector<LongLease> LeaseWatch::Oldest(absl::Time until, size_t most) const {
  std::vector<LongLease> oldest;
  for (const Stripe& stripe : stripes_) {
    MutexLock lock(&stripe.mu);
    size_t seen = 0;  // Each list begins with its oldest, so no more of it can be among the oldest of all.
    for (const LeaseNote* note = stripe.told.first; note != nullptr && seen < most; note = note->next, ++seen) {
      oldest.push_back(Describe(*note));
    }
    for (const LeaseNote* note = stripe.untold.first; note != nullptr && seen < most; note = note->next, ++seen) {
      if (note->since > until) break;
      oldest.push_back(Describe(*note));
    }
  }
  std::sort(oldest.begin(), oldest.end(), [](const LongLease& a, const LongLease& b) { return a.since < b.since; });
  if (oldest.size() > most) oldest.erase(oldest.begin() + static_cast<std::ptrdiff_t>(most), oldest.end());
  return oldest;
}

absl::Time LeaseWatch::OldestUntold() const {
  absl::Time oldest = absl::InfiniteFuture();
  for (const Stripe& stripe : stripes_) {
    MutexLock lock(&stripe.mu);
    if (stripe.untold.first != nullptr) oldest = std::min(oldest, stripe.untold.first->since);
  }
  return oldest;
}

int LeaseWatch::told() const {
  int told = 0;
  for (const Stripe& stripe : stripes_) {
    MutexLock lock(&stripe.mu);
    told += stripe.told_size;
  }
  return told;
}

}  // namespace chanpool
