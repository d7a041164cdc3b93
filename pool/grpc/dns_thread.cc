#include "pool/grpc/dns_thread.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "pool/core/check.h"
#include "pool/core/fork_epoch.h"

namespace chanpool {

DnsThread* DnsThread::Get() {
  static DnsThread* const thread = new DnsThread;
  return thread;
}

DnsThread::DnsThread() : fork_epoch_(CountForks()), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CHANPOOL_CHECK(wake_ >= 0);
  std::thread([this] { Run(); }).detach();
}

void DnsThread::Post(std::function<void()> task) {
  if (ForkEpoch() != fork_epoch_) return;  // The thread does not exist here, and the lock may be held for ever.
  MutexLock lock(&mu_);
  tasks_.push_back(std::move(task));
  if (tasks_.size() > 1) return;
  const uint64_t one = 1;
  CHANPOOL_CHECK(write(wake_, &one, sizeof(one)) == sizeof(one));
}

void DnsThread::Watch(std::shared_ptr<Watched> watched) { watched_.push_back(std::move(watched)); }

void DnsThread::Unwatch(const Watched* watched) {
  watched_.erase(std::remove_if(watched_.begin(), watched_.end(), [&](const auto& w) { return w.get() == watched; }),
                 watched_.end());
}

void DnsThread::RunTasks() {
  uint64_t ignored = 0;
  std::vector<std::function<void()>> tasks;
  {
    MutexLock lock(&mu_);
    if (tasks_.empty()) return;
    CHANPOOL_CHECK(read(wake_, &ignored, sizeof(ignored)) == sizeof(ignored));
    std::swap(tasks_, tasks);
  }
  for (const auto& task : tasks) task();
}

void DnsThread::Run() {
  std::vector<pollfd> fds;
  for (;;) {
    const std::vector<std::shared_ptr<Watched>> watched = watched_;
    std::vector<std::pair<size_t, size_t>> ranges;
    std::vector<int> limits;
    fds.assign(1, {wake_, POLLIN, 0});
    int limit = -1;
    for (const auto& one : watched) {
      const size_t begin = fds.size();
      limits.push_back(one->AddTo(&fds));
      ranges.emplace_back(begin, fds.size());
      if (limits.back() >= 0) limit = limit < 0 ? limits.back() : std::min(limit, limits.back());
    }
    poll(fds.data(), fds.size(), limit);
    for (size_t i = 0; i < watched.size(); ++i) {
      const auto [begin, end] = ranges[i];
      const bool ready =
          std::any_of(fds.begin() + begin, fds.begin() + end, [](const pollfd& fd) { return fd.revents; });
      // The shortest limit may be over. Who has one of its own looks whenever anything happens, which costs little.
      if (!ready && limits[i] < 0) continue;
      const bool still = std::any_of(watched_.begin(), watched_.end(), [&](const auto& w) { return w == watched[i]; });
      if (still) watched[i]->Ready(fds.data() + begin, end - begin);
    }
    RunTasks();
  }
}

}  // namespace chanpool
