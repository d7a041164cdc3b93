#include "server/attach/wake_fd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "pool/core/check.h"

namespace chanpool::attach {

WakeFd::WakeFd() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { CHANPOOL_CHECK(fd_ >= 0); }

WakeFd::~WakeFd() { close(fd_); }

void WakeFd::Wake() {
  const uint64_t one = 1;
  // Fails only when the counter is full, and it is readable then.
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof(one));
}

void WakeFd::Clear() {
  uint64_t count = 0;
  // Fails only when there is nothing to clear.
  [[maybe_unused]] const ssize_t was_read = read(fd_, &count, sizeof(count));
}

}  // namespace chanpool::attach
