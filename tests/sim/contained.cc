#include "tests/sim/contained.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <new>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "pool/core/check.h"

namespace chanpool {
namespace {

std::string ReadAll(std::FILE* file) {
  std::string text;
  std::rewind(file);
  char buffer[4096];
  while (const size_t n = std::fread(buffer, 1, sizeof buffer, file)) text.append(buffer, n);
  return text;
}

std::string LastLine(std::string text) {
  text = std::string(absl::StripSuffix(text, "\n"));
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace

void Outlet::Say(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(file_, text.data(), text.size());
    CHANPOOL_CHECK(written > 0);
    text.remove_prefix(static_cast<size_t>(written));
  }
}

Contained RunContained(const std::function<void(Outlet*)>& piece, int max_seconds) {
  void* shared = mmap(nullptr, sizeof(Outlet), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHANPOOL_CHECK(shared != MAP_FAILED);
  std::FILE* text = std::tmpfile();
  std::FILE* errors = std::tmpfile();
  CHANPOOL_CHECK(text != nullptr && errors != nullptr);
  auto* outlet = new (shared) Outlet(fileno(text));
  std::fflush(nullptr);
  const pid_t child = fork();
  CHANPOOL_CHECK(child >= 0);
  if (child == 0) {
    dup2(fileno(errors), STDERR_FILENO);
    alarm(static_cast<unsigned>(max_seconds));
    piece(outlet);
    std::fflush(nullptr);
    _exit(0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) != child) {
  }
  Contained end;
  end.step = outlet->step;
  end.text = ReadAll(text);
  const std::string complaint = LastLine(ReadAll(errors));
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
    end.trouble = absl::StrCat("hung: no end within ", max_seconds, " s");
  } else if (WIFSIGNALED(status)) {
    end.trouble = absl::StrCat("crashed (", strsignal(WTERMSIG(status)), ")");
  } else if (WEXITSTATUS(status) != 0) {
    end.trouble = absl::StrCat("exited with ", WEXITSTATUS(status));
  }
  if (!end.trouble.empty() && !complaint.empty()) absl::StrAppend(&end.trouble, ": ", complaint);
  std::fclose(text);
  std::fclose(errors);
  munmap(shared, sizeof(Outlet));
  return end;
}

}  // namespace chanpool
