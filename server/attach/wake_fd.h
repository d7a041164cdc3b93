// Wakes a thread that waits in poll(2): for sockets and, through a Clock's alarm, for a time.
//
//   auto wake = std::make_shared<WakeFd>();
//   std::unique_ptr<Alarm> alarm = clock->NewAlarm([wake] { wake->Wake(); });     // keeps it as long as it may ring
//   pollfd watched[] = {{wake->fd(), POLLIN, 0}, {socket, POLLIN, 0}};
//   poll(watched, 2, -1);
//   wake->Clear();
#ifndef CHANPOOL_SERVER_ATTACH_WAKE_FD_H_
#define CHANPOOL_SERVER_ATTACH_WAKE_FD_H_

namespace chanpool::attach {

// Thread-safe. Without a file descriptor to be had, the process stops: nothing here works without.
class WakeFd {
 public:
  WakeFd();
  ~WakeFd();
  WakeFd(const WakeFd&) = delete;
  WakeFd& operator=(const WakeFd&) = delete;

  // Readable from Wake() to Clear().
  int fd() const { return fd_; }
  // Never blocks.
  void Wake();
  void Clear();

 private:
  const int fd_;
};

}  // namespace chanpool::attach
#endif  // CHANPOOL_SERVER_ATTACH_WAKE_FD_H_
