// Runs commands of poolctl inside the test: without a process, a terminal or waiting.
//
//   CommandRun run;                                  // Noon, UTC, no terminal, no variables.
//   run.terminal.columns = 80;                       // ... or a terminal.
//   EXPECT_EQ(run("get", "pools", "-e", server.endpoint()), 0);
//   EXPECT_EQ(run.out(), "...");
#ifndef CHANPOOL_TESTS_CLIENT_COMMAND_RUN_H_
#define CHANPOOL_TESTS_CLIENT_COMMAND_RUN_H_

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <ostream>
#include <streambuf>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "client/cli/environment.h"
#include "client/cli/run.h"
#include "tests/client/fake_pool_admin.h"

namespace chanpool::testing {

// What is written, for any thread to look at.
class WatchedBuffer : public std::streambuf {
 public:
  std::string text() const {
    const std::lock_guard<std::mutex> lock(mu_);
    return text_;
  }
  void Clear() {
    const std::lock_guard<std::mutex> lock(mu_);
    text_.clear();
  }

 protected:
  int overflow(int c) override {
    const std::lock_guard<std::mutex> lock(mu_);
    if (c != traits_type::eof()) text_ += static_cast<char>(c);
    return c;
  }
  std::streamsize xsputn(const char* text, std::streamsize n) override {
    const std::lock_guard<std::mutex> lock(mu_);
    text_.append(text, static_cast<size_t>(n));
    return n;
  }

 private:
  mutable std::mutex mu_;
  std::string text_;
};

// A terminal of 80 columns whose keys the test has typed already: one for each time that a frame was drawn.
class FakeTerminal : public cli::Terminal {
 public:
  cli::ScreenSize size() override { return screen; }
  void BeginFullScreen() override { full_screen = true; }
  void EndFullScreen() override { full_screen = false; }
  absl::optional<char> Key() override {
    if (keys.empty()) return absl::nullopt;
    const char key = keys.front();
    keys.pop_front();
    return key;
  }

  cli::ScreenSize screen;
  std::deque<char> keys;
  bool full_screen = false;
};

class CommandRun {
 public:
  CommandRun() {
    env.out = &out_stream_;
    env.err = &err_stream_;
    env.variable = [this](const std::string& name) -> absl::optional<std::string> {
      const auto found = variables.find(name);
      if (found == variables.end()) return absl::nullopt;
      return found->second;
    };
    env.now = [this] { return Noon() + absl::Seconds(seconds_after_noon.load()); };
    env.interrupts = [this] { return interrupts.load(); };
    env.poll = absl::Milliseconds(1);
  }

  template <typename... Args>
  int operator()(Args... args) {
    return Run({std::string(args)...});
  }
  // `words` against `server`, of which tests may change anything before and after.
  int Run(const std::string& words, const FakePoolAdmin& server) {
    server.Meet();
    const int exit_code = Run(absl::StrSplit(words, ' ', absl::SkipEmpty()));
    server.Meet();
    return exit_code;
  }
  int Run(const std::vector<std::string>& args) {
    out_buffer_.Clear();
    err_buffer_.Clear();
    return cli::Run(args, env);
  }

  std::string out() const { return out_buffer_.text(); }
  std::string err() const { return err_buffer_.text(); }

  cli::Environment env;
  FakeTerminal terminal;  // Used once env.terminal points to it.
  std::map<std::string, std::string> variables;
  std::atomic<int> seconds_after_noon{0};
  std::atomic<int> interrupts{0};

 private:
  WatchedBuffer out_buffer_;
  WatchedBuffer err_buffer_;
  std::ostream out_stream_{&out_buffer_};
  std::ostream err_stream_{&err_buffer_};
};

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_CLIENT_COMMAND_RUN_H_
