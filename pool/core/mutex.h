// The one Mutex of the project: std::mutex that clang's thread-safety analysis can follow.
//
//   mutable Mutex mu_;
//   int open_ ABSL_GUARDED_BY(mu_);
//   ...
//   MutexLock lock(&mu_);
//
// Not absl::Mutex: Debian's Abseil is not instrumented, so ThreadSanitizer would report false races through it.
#ifndef CHANPOOL_POOL_CORE_MUTEX_H_
#define CHANPOOL_POOL_CORE_MUTEX_H_

#include <mutex>

#include "absl/base/thread_annotations.h"

namespace chanpool {

// Not reentrant. Thread-safe by nature.
class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { native_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { native_.unlock(); }

  // For the clocks, which alone wait on conditions.
  std::mutex& native() { return native_; }

 private:
  std::mutex native_;
};

// Holds a Mutex from construction to destruction.
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) : mu_(mu) { mu_->Lock(); }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mu_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mu_;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_CORE_MUTEX_H_
