// Tells ThreadSanitizer what Debian's gRPC and Abseil order between threads.
//
// Those libraries are not instrumented: ThreadSanitizer sees our code before and after absl::Mutex or a completion
// queue, not the order they make, and calls correct programs racy (hundreds of reports in 1,000 callback calls).
// Whoever defines a function in the program itself comes before the libraries, also for the libraries' own calls. So
// the functions below stand in front of the real ones, call them, and say what they order.
//
// Limits: the mangled names are those of Debian 12's Abseil (namespace debian3). A lock inside a library orders more
// than its user relies on, so some races can hide behind it: our own locks are std::mutex, which ThreadSanitizer knows
// (pool/core/mutex.h).

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)

#include <dlfcn.h>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpc/grpc.h"

extern "C" {
// What it leaves out. gRPC joins its threads when its last object is gone, in a thread of its own that a process need
// not wait for: one that ends at that moment ends with a thread that nobody has joined yet. And it destroys a server's
// generic call when the last of its callbacks has run, which it counts inside its library.
const char* __tsan_default_suppressions() {
  return "thread:grpc_core::Thread::Thread\n"
         "race:ServerCallbackReaderWriterImpl::~ServerCallbackReaderWriterImpl\n";
}

void __tsan_acquire(void* address);  // What was released at `address` happened before what follows.
void __tsan_release(void* address);
}

namespace {

// The definition that this one hides. Never null: a name that Debian changed is noticed at its first call.
template <class Function>
Function Next(const char* symbol) {
  void* found = dlsym(RTLD_NEXT, symbol);
  if (found == nullptr) __builtin_trap();
  return reinterpret_cast<Function>(found);
}

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  static const auto next = Next<void (*)(Mutex*)>("_ZN4absl7debian35Mutex4LockEv");
  next(this);
  __tsan_acquire(this);
}

bool Mutex::TryLock() {
  static const auto next = Next<bool (*)(Mutex*)>("_ZN4absl7debian35Mutex7TryLockEv");
  const bool locked = next(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::Unlock() {
  static const auto next = Next<void (*)(Mutex*)>("_ZN4absl7debian35Mutex6UnlockEv");
  __tsan_release(this);
  next(this);
}

void Mutex::ReaderLock() {
  static const auto next = Next<void (*)(Mutex*)>("_ZN4absl7debian35Mutex10ReaderLockEv");
  next(this);
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  static const auto next = Next<void (*)(Mutex*)>("_ZN4absl7debian35Mutex12ReaderUnlockEv");
  __tsan_release(this);
  next(this);
}

// A wait unlocks the mutex and locks it again, by functions of Mutex that are not interposed.
void CondVar::Wait(Mutex* mutex) {
  static const auto next = Next<void (*)(CondVar*, Mutex*)>("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
  __tsan_release(mutex);
  next(this, mutex);
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static const auto next = Next<bool (*)(CondVar*, Mutex*, Duration)>(
      "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  __tsan_release(mutex);
  const bool timed_out = next(this, mutex, timeout);
  __tsan_acquire(mutex);
  return timed_out;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static const auto next =
      Next<bool (*)(CondVar*, Mutex*, Time)>("_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  __tsan_release(mutex);
  const bool timed_out = next(this, mutex, deadline);
  __tsan_acquire(mutex);
  return timed_out;
}

ABSL_NAMESPACE_END
}  // namespace absl

// gRPC's C functions, through which all of its C++ passes: what goes in with a tag happened before the tag comes out.
extern "C" {

grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t count, void* tag, void* reserved) {
  static const auto next = Next<decltype(&grpc_call_start_batch)>("grpc_call_start_batch");
  __tsan_release(tag);
  __tsan_release(call);
  return next(call, ops, count, tag, reserved);
}

grpc_call_error grpc_server_request_call(grpc_server* server, grpc_call** call, grpc_call_details* details,
                                         grpc_metadata_array* metadata, grpc_completion_queue* call_queue,
                                         grpc_completion_queue* notification_queue, void* tag) {
  static const auto next = Next<decltype(&grpc_server_request_call)>("grpc_server_request_call");
  __tsan_release(tag);
  return next(server, call, details, metadata, call_queue, notification_queue, tag);
}

grpc_call_error grpc_server_request_registered_call(grpc_server* server, void* method, grpc_call** call,
                                                    gpr_timespec* deadline, grpc_metadata_array* metadata,
                                                    grpc_byte_buffer** payload, grpc_completion_queue* call_queue,
                                                    grpc_completion_queue* notification_queue, void* tag) {
  static const auto next = Next<decltype(&grpc_server_request_registered_call)>("grpc_server_request_registered_call");
  __tsan_release(tag);
  return next(server, method, call, deadline, metadata, payload, call_queue, notification_queue, tag);
}

void grpc_channel_watch_connectivity_state(grpc_channel* channel, grpc_connectivity_state last_observed,
                                           gpr_timespec deadline, grpc_completion_queue* queue, void* tag) {
  static const auto next =
      Next<decltype(&grpc_channel_watch_connectivity_state)>("grpc_channel_watch_connectivity_state");
  __tsan_release(tag);
  next(channel, last_observed, deadline, queue, tag);
}

grpc_event grpc_completion_queue_next(grpc_completion_queue* queue, gpr_timespec deadline, void* reserved) {
  static const auto next = Next<decltype(&grpc_completion_queue_next)>("grpc_completion_queue_next");
  const grpc_event event = next(queue, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(event.tag);
  return event;
}

grpc_event grpc_completion_queue_pluck(grpc_completion_queue* queue, void* tag, gpr_timespec deadline, void* reserved) {
  static const auto next = Next<decltype(&grpc_completion_queue_pluck)>("grpc_completion_queue_pluck");
  const grpc_event event = next(queue, tag, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(event.tag);
  return event;
}

// An alarm has no C function, and puts a tag of its own on the queue: the user's comes out one level higher. Declared
// by their mangled names, since gRPC's C++ headers would make every program need its library.
#define CHANPOOL_ALARM_SET "_ZN4grpc5Alarm11SetInternalEPNS_15CompletionQueueE12gpr_timespecPv"
#define CHANPOOL_QUEUE_NEXT "_ZN4grpc15CompletionQueue17AsyncNextInternalEPPvPb12gpr_timespec"

void chanpool_alarm_set(void* alarm, void* queue, gpr_timespec deadline, void* tag) __asm__(CHANPOOL_ALARM_SET);
int chanpool_queue_next(void* queue, void** tag, bool* ok, gpr_timespec deadline) __asm__(CHANPOOL_QUEUE_NEXT);

void chanpool_alarm_set(void* alarm, void* queue, gpr_timespec deadline, void* tag) {
  static const auto next = Next<decltype(&chanpool_alarm_set)>(CHANPOOL_ALARM_SET);
  __tsan_release(tag);
  next(alarm, queue, deadline, tag);
}

int chanpool_queue_next(void* queue, void** tag, bool* ok, gpr_timespec deadline) {
  static const auto next = Next<decltype(&chanpool_queue_next)>(CHANPOOL_QUEUE_NEXT);
  constexpr int kGotEvent = 1;  // CompletionQueue::GOT_EVENT
  const int status = next(queue, tag, ok, deadline);
  if (status == kGotEvent) __tsan_acquire(*tag);
  return status;
}

// A callback call on a server counts down what its OnCancel waits for, and what its OnDone waits for. Who comes last
// begins it: in gRPC's library if that is the cancellation. The counts are all that orders the others' work before it.
// They are side by side behind the table of virtuals.
#define CHANPOOL_CALL_ON_CANCEL "_ZN4grpc8internal18ServerCallbackCall12CallOnCancelEPNS0_13ServerReactorE"
#define CHANPOOL_SCHEDULE_ON_DONE "_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb"

void chanpool_call_on_cancel(void* call, void* reactor) __asm__(CHANPOOL_CALL_ON_CANCEL);
void chanpool_schedule_on_done(void* call, bool inline_on_done) __asm__(CHANPOOL_SCHEDULE_ON_DONE);

void chanpool_call_on_cancel(void* call, void* reactor) {
  static const auto next = Next<decltype(&chanpool_call_on_cancel)>(CHANPOOL_CALL_ON_CANCEL);
  __tsan_acquire(static_cast<char*>(call) + sizeof(void*));  // on_cancel_conditions_remaining_
  next(call, reactor);
}

void chanpool_schedule_on_done(void* call, bool inline_on_done) {
  static const auto next = Next<decltype(&chanpool_schedule_on_done)>(CHANPOOL_SCHEDULE_ON_DONE);
  __tsan_acquire(static_cast<char*>(call) + sizeof(void*) + sizeof(int));  // callbacks_outstanding_
  next(call, inline_on_done);
}

// A server's shutdown waits for its calls by a count that only the last one takes the lock for. What a service did for
// the others happened before the shutdown has ended, and the service may be gone.
#define CHANPOOL_CALL_HAS_ENDED "_ZN4grpc6Server23UnrefWithPossibleNotifyEv"
#define CHANPOOL_AWAIT_CALLS "_ZN4grpc6Server18UnrefAndWaitLockedEv"

void chanpool_call_has_ended(void* server) __asm__(CHANPOOL_CALL_HAS_ENDED);
void chanpool_await_calls(void* server) __asm__(CHANPOOL_AWAIT_CALLS);

void chanpool_call_has_ended(void* server) {
  static const auto next = Next<decltype(&chanpool_call_has_ended)>(CHANPOOL_CALL_HAS_ENDED);
  __tsan_release(server);
  next(server);
}

void chanpool_await_calls(void* server) {
  static const auto next = Next<decltype(&chanpool_await_calls)>(CHANPOOL_AWAIT_CALLS);
  next(server);
  __tsan_acquire(server);
}

}  // extern "C"

#endif  // __has_feature(thread_sanitizer)
#endif  // defined(__has_feature)
