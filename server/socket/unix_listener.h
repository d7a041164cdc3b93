// A UNIX socket bound as an administrator wants it: the right mode from its first moment, taken from nobody, and each
// peer's user known from the kernel. gRPC's own bind gives 0755 or worse, and steals the path of a server that lives.
//
//   absl::StatusOr<std::unique_ptr<UnixListener>> listener = UnixListener::Bind(
//       {.path = "/run/chanpool/admin.sock", .mode = 0600}, [](int fd, const UnixPeer& peer) { ... });
#ifndef CHANPOOL_SERVER_SOCKET_UNIX_LISTENER_H_
#define CHANPOOL_SERVER_SOCKET_UNIX_LISTENER_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pool/core/mutex.h"

namespace chanpool {

// Who is at the other end of a UNIX socket; from the kernel, as it was when they connected.
struct UnixPeer {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

// Of a connected UNIX socket.
absl::StatusOr<UnixPeer> PeerOf(int fd);

// What a listener has in the file system: its socket, and the lock beside it. Whoever ends the process without waiting
// for the listener removes them by this. Thread-safe.
class SocketFile {
 public:
  // Owns `lock_fd`. `device` and `inode` are the socket's.
  SocketFile(std::string path, int lock_fd, dev_t device, ino_t inode);
  ~SocketFile();  // Removes.
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;

  // Removes the socket, if it is still the one that was bound, and lets go of the lock. Idempotent.
  void Remove();

  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  const dev_t device_;
  const ino_t inode_;
  Mutex mu_;
  int lock_fd_ ABSL_GUARDED_BY(mu_);  // -1: removed.
};

// Listens from Bind to destruction. Thread-safe.
class UnixListener {
 public:
  struct Options {
    // Absolute, at most 107 bytes.
    std::string path;
    // Permission bits of the socket.
    mode_t mode = 0600;
    // Of its folder, if that is missing and has to be made. Others need 0711 to reach a socket that is open to them.
    mode_t folder_mode = 0700;
  };

  // `on_connection` runs on the listener's thread and owns `fd` (non-blocking, close-on-exec); it must not block.
  //   kInvalidArgument     a path that is not absolute, or too long;
  //   kAlreadyExists       a process serves that path (its pid, where the kernel tells), or holds the lock beside it;
  //   kFailedPrecondition  there is something at that path that is no socket: a file, a folder, a symlink; or others
  //                        than root and this user may write to its folder, so that they could replace the socket;
  //   kPermissionDenied, kNotFound, ...  as the system says.
  // A socket that nobody serves any more is replaced.
  static absl::StatusOr<std::unique_ptr<UnixListener>> Bind(Options options,
                                                            std::function<void(int, const UnixPeer&)> on_connection);

  // Accepts no more, waits for a callback that runs, and removes the socket if it is still the one that was bound.
  ~UnixListener();
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  const std::string& path() const { return options_.path; }
  const std::shared_ptr<SocketFile>& file() const { return file_; }

 private:
  UnixListener(Options options, std::function<void(int, const UnixPeer&)> on_connection, int fd,
               std::shared_ptr<SocketFile> file, int stop_fd);
  void Run();

  const Options options_;
  const std::function<void(int, const UnixPeer&)> on_connection_;
  const int fd_;
  const std::shared_ptr<SocketFile> file_;
  const int stop_fd_;  // An eventfd; readable: end.
  std::thread thread_;
};

}  // namespace chanpool
#endif  // CHANPOOL_SERVER_SOCKET_UNIX_LISTENER_H_
