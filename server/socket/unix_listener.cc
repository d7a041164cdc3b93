#include "server/socket/unix_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace chanpool {
namespace {

// The kernel holds so many connections that were not accepted yet; beyond, connect waits.
constexpr int kBacklog = 64;
// What accept waits when the process has no file descriptor left: trying at once would burn a core.
constexpr int kNoDescriptorPauseMs = 100;
// Each needs another process that ended in the same instant.
constexpr int kLockAttempts = 3;

absl::Status SystemError(int error, absl::string_view what) {
  return absl::Status(absl::ErrnoToStatusCode(error), absl::StrCat(what, ": ", std::strerror(error)));
}

sockaddr_un Address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  return address;
}

absl::Status CheckPath(const std::string& path) {
  constexpr size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
  if (path.empty() || path[0] != '/' || path.back() == '/') {
    return absl::InvalidArgumentError(
        absl::StrCat("socket path \"", path, "\" is not absolute; give one like ", "/run/chanpool/admin.sock"));
  }
  if (path.size() > kLongest || path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("socket path \"", path, "\" has ", path.size(), " bytes; UNIX sockets allow at most ", kLongest));
  }
  return absl::OkStatus();
}

// The folder of the socket, made if missing. Whoever else may write to it could put a socket of theirs in our place.
absl::StatusOr<int> OpenFolder(const std::string& folder, mode_t mode) {
  if (mkdir(folder.c_str(), mode) == 0) {
    chmod(folder.c_str(), mode);  // Whatever the umask.
  } else if (errno != EEXIST) {
    return SystemError(errno, absl::StrCat("cannot make folder ", folder));
  }
  const int fd = open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError(errno, absl::StrCat("cannot open folder ", folder));
  struct stat facts;
  if (fstat(fd, &facts) != 0) {
    const int error = errno;
    close(fd);
    return SystemError(error, absl::StrCat("cannot look at folder ", folder));
  }
  const bool ours = facts.st_uid == 0 || facts.st_uid == geteuid();
  const bool others_write = (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (facts.st_mode & S_ISVTX) == 0;
  if (!ours || others_write) {
    close(fd);
    return absl::FailedPreconditionError(
        absl::StrCat("folder ", folder, ours ? " may be written to by other users" : " belongs to another user",
                     ", who could replace the socket; choose one of your own with mode 0700"));
  }
  return fd;
}

// Held for as long as the socket is served: of two processes that start at once, one wins.
absl::StatusOr<int> TakeLock(const std::string& path) {
  const std::string lock_path = absl::StrCat(path, ".lock");
  for (int attempt = 0; attempt < kLockAttempts; ++attempt) {
    const int fd = open(lock_path.c_str(), O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return SystemError(errno, absl::StrCat("cannot open lock ", lock_path));
    auto close_fd = absl::MakeCleanup([fd] { close(fd); });
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      char holder[32] = {};
      const ssize_t length = pread(fd, holder, sizeof(holder) - 1, 0);
      return absl::AlreadyExistsError(absl::StrCat("socket ", path, " is served by process ",
                                                   length > 0 ? absl::string_view(holder, length) : "(unknown)",
                                                   "; stop it, or choose another path"));
    }
    // Its holder may have removed it when it ended, between our open and our lock: then the next one locks another
    // file.
    struct stat locked, there;
    if (fstat(fd, &locked) != 0 || stat(lock_path.c_str(), &there) != 0 || locked.st_ino != there.st_ino ||
        locked.st_dev != there.st_dev) {
      continue;
    }
    const std::string pid = absl::StrCat(getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) {
      return SystemError(errno, absl::StrCat("cannot write lock ", lock_path));
    }
    std::move(close_fd).Cancel();
    return fd;
  }
  return absl::AlreadyExistsError(absl::StrCat("socket ", path, ": others come and go at its lock; try again"));
}

// OK when the path is free, or holds a socket that nobody serves.
absl::Status CheckReplaceable(const std::string& path) {
  struct stat facts;
  if (lstat(path.c_str(), &facts) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return SystemError(errno, absl::StrCat("cannot look at ", path));
  }
  if (!S_ISSOCK(facts.st_mode)) {
    const char* const kind = S_ISLNK(facts.st_mode)   ? "a symbolic link"
                             : S_ISDIR(facts.st_mode) ? "a folder"
                             : S_ISREG(facts.st_mode) ? "a file"
                                                      : "something";
    return absl::FailedPreconditionError(
        absl::StrCat("there is ", kind, " at ", path, ", not a socket; remove it, or choose another path"));
  }
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return SystemError(errno, "cannot make a socket");
  const auto close_probe = absl::MakeCleanup([probe] { close(probe); });
  const sockaddr_un address = Address(path);
  if (connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 && errno == ECONNREFUSED) {
    return absl::OkStatus();
  }
  // Connected, or its queue is full (EAGAIN), or it is not ours to open (EACCES): alive, as far as we may know.
  const absl::StatusOr<UnixPeer> server = PeerOf(probe);
  return absl::AlreadyExistsError(absl::StrCat("socket ", path, " is served by ",
                                               server.ok() ? absl::StrCat("process ", server->pid) : "another process",
                                               "; stop it, or choose another path"));
}

// A socket that is bound and listens; by these facts it is known again.
struct Bound {
  int fd = -1;
  struct stat facts = {};
};

// Under a name of its own first, moved to the public one when it has its mode and listens: no moment with a wrong mode,
// none without a listener.
absl::StatusOr<Bound> BindAt(int folder, const std::string& path, mode_t mode) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return SystemError(errno, "cannot make a socket");
  auto close_fd = absl::MakeCleanup([fd] { close(fd); });
  const std::string name = path.substr(path.rfind('/') + 1);
  // Not by process id: in two containers that share the folder it may be the same.
  const std::string staged = absl::StrCat(".", absl::Hex(std::random_device()(), absl::kZeroPad8), ".new");
  // By way of the open folder: a path as short as that fits, however long the folder's.
  const sockaddr_un address = Address(absl::StrCat("/proc/self/fd/", folder, "/", staged));
  // The mode given before bind is the one that the inode is made with, less the umask.
  if (fchmod(fd, mode) != 0 || bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return SystemError(errno, absl::StrCat("cannot bind socket ", path));
  }
  Bound bound;
  bound.fd = fd;
  if (fchmodat(folder, staged.c_str(), mode, 0) != 0 || listen(fd, kBacklog) != 0 ||
      fstatat(folder, staged.c_str(), &bound.facts, AT_SYMLINK_NOFOLLOW) != 0 ||
      renameat(folder, staged.c_str(), folder, name.c_str()) != 0) {
    const int error = errno;
    unlinkat(folder, staged.c_str(), 0);
    return SystemError(error, absl::StrCat("cannot listen on socket ", path));
  }
  std::move(close_fd).Cancel();
  return bound;
}

}  // namespace

absl::StatusOr<UnixPeer> PeerOf(int fd) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return SystemError(errno, "cannot ask the kernel for the peer of a socket");
  }
  return UnixPeer{peer.pid, peer.uid, peer.gid};
}

SocketFile::SocketFile(std::string path, int lock_fd, dev_t device, ino_t inode)
    : path_(std::move(path)), device_(device), inode_(inode), lock_fd_(lock_fd) {}

SocketFile::~SocketFile() { Remove(); }

void SocketFile::Remove() {
  MutexLock lock(&mu_);
  if (lock_fd_ < 0) return;
  // Somebody may have put a socket of theirs there meanwhile: theirs stays. The inode of ours is not used again for as
  // long as our socket is open.
  struct stat there;
  if (lstat(path_.c_str(), &there) == 0 && there.st_dev == device_ && there.st_ino == inode_) unlink(path_.c_str());
  unlink(absl::StrCat(path_, ".lock").c_str());
  close(lock_fd_);
  lock_fd_ = -1;
}

absl::StatusOr<std::unique_ptr<UnixListener>> UnixListener::Bind(
    Options options, std::function<void(int, const UnixPeer&)> on_connection) {
  if (absl::Status valid = CheckPath(options.path); !valid.ok()) return valid;
  const absl::StatusOr<int> folder =
      OpenFolder(options.path.substr(0, std::max<size_t>(1, options.path.rfind('/'))), options.folder_mode);
  if (!folder.ok()) return folder.status();
  const auto close_folder = absl::MakeCleanup([&folder] { close(*folder); });
  // Before the lock: a server of another kind, which knows no lock, has the better message.
  if (absl::Status free = CheckReplaceable(options.path); !free.ok()) return free;
  const absl::StatusOr<int> lock = TakeLock(options.path);
  if (!lock.ok()) return lock.status();
  auto release_lock = absl::MakeCleanup([&lock] { close(*lock); });
  // And again with it: whoever held it may have bound meanwhile, and be of a version that lets go of it.
  if (absl::Status free = CheckReplaceable(options.path); !free.ok()) return free;
  const absl::StatusOr<Bound> bound = BindAt(*folder, options.path, options.mode);
  if (!bound.ok()) return bound.status();
  std::move(release_lock).Cancel();
  auto file = std::make_shared<SocketFile>(options.path, *lock, bound->facts.st_dev, bound->facts.st_ino);
  const int stop_fd = eventfd(0, EFD_CLOEXEC);
  if (stop_fd < 0) {
    const int error = errno;
    file->Remove();
    close(bound->fd);
    return SystemError(error, "cannot make an eventfd");
  }
  return std::unique_ptr<UnixListener>(
      new UnixListener(std::move(options), std::move(on_connection), bound->fd, std::move(file), stop_fd));
}

UnixListener::UnixListener(Options options, std::function<void(int, const UnixPeer&)> on_connection, int fd,
                           std::shared_ptr<SocketFile> file, int stop_fd)
    : options_(std::move(options)),
      on_connection_(std::move(on_connection)),
      fd_(fd),
      file_(std::move(file)),
      stop_fd_(stop_fd),
      thread_([this] { Run(); }) {}

UnixListener::~UnixListener() {
  const uint64_t one = 1;
  // Cannot fail: the counter is far from full.
  [[maybe_unused]] const ssize_t written = write(stop_fd_, &one, sizeof(one));
  thread_.join();
  file_->Remove();
  close(fd_);
  close(stop_fd_);
}

void UnixListener::Run() {
  for (;;) {
    pollfd watched[] = {{stop_fd_, POLLIN, 0}, {fd_, POLLIN, 0}};
    if (poll(watched, 2, -1) < 0 && errno != EINTR) return;
    if (watched[0].revents != 0) return;
    const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        poll(watched, 1, kNoDescriptorPauseMs);
      }
      continue;
    }
    const absl::StatusOr<UnixPeer> peer = PeerOf(fd);
    if (!peer.ok()) {
      close(fd);
      continue;
    }
    on_connection_(fd, *peer);
  }
}

}  // namespace chanpool
