// Claims of server/socket/unix_listener.h, on real sockets in a folder of the test's own.
#include "server/socket/unix_listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"

namespace chanpool {
namespace {

using testing::HasSubstr;

// A socket at `path`, bound or connected.
int RawSocket(const std::string& path, bool listen_there) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if ((listen_there ? bind(fd, generic, sizeof(address)) : connect(fd, generic, sizeof(address))) != 0) {
    close(fd);
    return -1;
  }
  if (listen_there) listen(fd, 8);
  return fd;
}

class UnixListenerTest : public testing::Test {
 protected:
  UnixListenerTest() {
    std::string folder = "/tmp/unix_listener_test.XXXXXX";
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  ~UnixListenerTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name = "admin.sock") const { return absl::StrCat(folder_, "/", name); }
  absl::StatusOr<std::unique_ptr<UnixListener>> Bind(const std::string& path, mode_t mode = 0600) {
    return UnixListener::Bind({path, mode, /*folder_mode=*/0700}, [](int fd, const UnixPeer&) { close(fd); });
  }

  std::string folder_;
};

TEST_F(UnixListenerTest, TellsWhoConnectedFromTheKernel) {
  absl::Notification connected;
  UnixPeer peer;
  const auto listener = UnixListener::Bind({Path(), 0600, 0700}, [&](int fd, const UnixPeer& from) {
    peer = from;
    close(fd);
    connected.Notify();
  });
  ASSERT_TRUE(listener.ok()) << listener.status();
  const int client = RawSocket(Path(), /*listen_there=*/false);
  ASSERT_GE(client, 0);
  connected.WaitForNotification();
  EXPECT_EQ(peer.pid, getpid());
  EXPECT_EQ(peer.uid, geteuid());
  EXPECT_EQ(peer.gid, getegid());
  close(client);
}

TEST_F(UnixListenerTest, HasTheModeAskedForWhateverTheUmask) {
  for (const mode_t mask : {0, 022, 077}) {
    for (const mode_t mode : {0600, 0660, 0666}) {
      const mode_t before = umask(mask);
      const auto listener = Bind(Path(), mode);
      umask(before);
      ASSERT_TRUE(listener.ok()) << listener.status();
      struct stat facts;
      ASSERT_EQ(lstat(Path().c_str(), &facts), 0);
      EXPECT_EQ(facts.st_mode & 07777, mode) << std::oct << "umask " << mask;
    }
  }
}

TEST_F(UnixListenerTest, LeavesNothingBehind) {
  { ASSERT_TRUE(Bind(Path()).ok()); }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(UnixListenerTest, MakesItsFolderForItselfAlone) {
  const auto listener = Bind(Path("new/admin.sock"));
  ASSERT_TRUE(listener.ok()) << listener.status();
  struct stat facts;
  ASSERT_EQ(stat(Path("new").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0700u);
}

TEST_F(UnixListenerTest, MakesAFolderThroughWhichOthersReachASocketThatIsOpenToThem) {
  const auto listener = UnixListener::Bind({Path("new/admin.sock"), 0666, /*folder_mode=*/0711},
                                           [](int fd, const UnixPeer&) { close(fd); });
  ASSERT_TRUE(listener.ok()) << listener.status();
  struct stat facts;
  ASSERT_EQ(stat(Path("new").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0711u);
}

TEST_F(UnixListenerTest, ALockThatItsHolderLeftBehindIsTaken) {
  std::ofstream(Path() + ".lock") << "4711";
  EXPECT_TRUE(Bind(Path()).ok());
}

TEST_F(UnixListenerTest, DoesNotTakeThePathOfAServerThatLives) {
  const auto first = Bind(Path());
  ASSERT_TRUE(first.ok());
  const auto second = Bind(Path());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(second.status().message(), HasSubstr(absl::StrCat("process ", getpid())));
  const int client = RawSocket(Path(), false);
  EXPECT_GE(client, 0) << "the first must still be reachable";
  close(client);
}

TEST_F(UnixListenerTest, DoesNotTakeThePathOfAServerThatKnowsNoLock) {
  const int other = RawSocket(Path(), /*listen_there=*/true);
  ASSERT_GE(other, 0);
  EXPECT_EQ(Bind(Path()).status().code(), absl::StatusCode::kAlreadyExists);
  close(other);
}

TEST_F(UnixListenerTest, ReplacesASocketThatNobodyServes) {
  close(RawSocket(Path(), /*listen_there=*/true));
  ASSERT_TRUE(std::filesystem::exists(Path()));
  const auto listener = Bind(Path());
  EXPECT_TRUE(listener.ok()) << listener.status();
}

TEST_F(UnixListenerTest, TakesOverFromAProcessThatWasKilled) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto listener = Bind(Path());
    const char ok = listener.ok() ? '1' : '0';
    [[maybe_unused]] const ssize_t written = write(ready[1], &ok, 1);
    pause();
    _exit(0);
  }
  char ok = '0';
  ASSERT_EQ(read(ready[0], &ok, 1), 1);
  ASSERT_EQ(ok, '1');
  EXPECT_EQ(Bind(Path()).status().code(), absl::StatusCode::kAlreadyExists);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const auto listener = Bind(Path());
  EXPECT_TRUE(listener.ok()) << listener.status();
  close(ready[0]);
  close(ready[1]);
}

TEST_F(UnixListenerTest, TouchesNothingThatIsNoSocket) {
  std::ofstream(Path("file")) << "precious";
  std::filesystem::create_directory(Path("folder"));
  const int served = RawSocket(Path("served"), /*listen_there=*/true);
  std::filesystem::create_symlink(Path("served"), Path("link"));
  for (const std::string name : {"file", "folder", "link"}) {
    const auto listener = Bind(Path(name));
    EXPECT_EQ(listener.status().code(), absl::StatusCode::kFailedPrecondition) << name << ": " << listener.status();
    EXPECT_TRUE(std::filesystem::exists(std::filesystem::symlink_status(Path(name)))) << name;
  }
  EXPECT_TRUE(std::filesystem::is_symlink(Path("link")));
  close(served);
}

TEST_F(UnixListenerTest, RefusesAFolderInWhichOthersCouldReplaceTheSocket) {
  ASSERT_EQ(chmod(folder_.c_str(), 0777), 0);
  EXPECT_EQ(Bind(Path()).status().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(chmod(folder_.c_str(), 01777), 0) << "sticky, as /tmp";
  EXPECT_TRUE(Bind(Path()).ok());
}

TEST_F(UnixListenerTest, SaysWhatIsWrongWithAPath) {
  EXPECT_THAT(Bind("relative.sock").status().message(), HasSubstr("not absolute"));
  EXPECT_THAT(Bind("").status().message(), HasSubstr("not absolute"));
  EXPECT_THAT(Bind(Path(std::string(108, 'x'))).status().message(), HasSubstr("at most 107"));
  EXPECT_THAT(Bind("/nowhere/at/all.sock").status().message(), HasSubstr("cannot make folder /nowhere/at"));
}

TEST_F(UnixListenerTest, APathOfTheGreatestLengthWorks) {
  const std::string path = Path(std::string(107 - folder_.size() - 1, 'x'));
  ASSERT_EQ(path.size(), 107u);
  const auto listener = Bind(path);
  ASSERT_TRUE(listener.ok()) << listener.status();
  const int client = RawSocket(path, false);
  EXPECT_GE(client, 0);
  close(client);
}

TEST_F(UnixListenerTest, LeavesASocketThatSomebodyElsePutInItsPlace) {
  auto listener = Bind(Path());
  ASSERT_TRUE(listener.ok());
  ASSERT_EQ(unlink(Path().c_str()), 0);
  const pid_t child = fork();
  if (child == 0) {
    RawSocket(Path(), /*listen_there=*/true);
    pause();
    _exit(0);
  }
  int client = -1;
  while (client < 0) client = RawSocket(Path(), false);
  close(client);
  listener->reset();
  EXPECT_TRUE(std::filesystem::exists(Path()));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace chanpool
