// top: the numbers of every second, on the whole screen or frame by frame.
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/cli/commands.h"
#include "client/cli/error_report.h"
#include "client/cli/list_pages.h"
#include "client/cli/resource_names.h"
#include "client/cli/top_view.h"

namespace chanpool::cli {
namespace {

using Next = chanpool::admin::ResponseStream<v1::WatchStatsResponse>::Next;

constexpr char kHelp[] =
    "\n"
    "q  quit             s  sort by name, leases, acq/s, waiters in turn\n"
    "p  pause, go on     ?  this help, on and off\n"
    "\n"
    "CONNS   connections, and the most there may be     BUSY   those with calls\n"
    "LEASES  calls, and the places on open connections\n"
    "ACQ/s   places granted     FAIL/s  refused, timed out, or no way to the target\n"
    "WAIT    callers in line\n"
    "LIMIT   the option that holds the pool back; target: it cannot be reached\n";

// Names and states come from ListPools; without an answer the last ones stay.
void Refresh(AdminClient& client, TopView& view, absl::Duration timeout) {
  const absl::StatusOr<std::vector<v1::Pool>> pools = ListAll<v1::Pool>(
      v1::ListPoolsRequest(), [&](const v1::ListPoolsRequest& page) { return client.ListPools(page, timeout); },
      [](v1::ListPoolsResponse& response) { return response.mutable_pools(); });
  if (pools.ok()) view.UpdatePools(*pools);
  const absl::StatusOr<v1::GetInstanceResponse> instance = client.GetInstance({}, timeout);
  if (instance.ok()) view.UpdateInstance(instance->instance());
}

// Gives the screen back, however the command ends.
class FullScreen {
 public:
  explicit FullScreen(Terminal* terminal) : terminal_(terminal) {
    if (terminal_ != nullptr) terminal_->BeginFullScreen();
  }
  ~FullScreen() {
    if (terminal_ != nullptr) terminal_->EndFullScreen();
  }

 private:
  Terminal* const terminal_;
};

TopView::Look LookOf(Session& session, Terminal* screen) {
  TopView::Look look;
  look.colour = session.settings().colour;
  look.headers = session.settings().headers;
  look.now = session.now();
  look.columns = session.columns();
  if (screen != nullptr) look.rows = screen->size().rows;
  return look;
}

// From the top left; each line erases what was there, and the rest of the screen goes last: nothing flickers.
void Draw(Session& session, const std::string& frame) {
  session.Write(absl::StrCat("\x1b[H", absl::StrReplaceAll(frame, {{"\n", "\x1b[K\n"}}), "\x1b[J"));
}

}  // namespace

absl::StatusOr<int> Top(Session& session, const Invocation& invocation) {
  const bool once = invocation.Has("once");
  const bool batch = once || invocation.Has("batch");
  uint32_t frames = 0;
  if (invocation.Has("count")) {
    if (!invocation.Has("batch")) return UsageError("-n is how many frames --batch prints; give both");
    if (!absl::SimpleAtoi(invocation.Get("count"), &frames) || frames == 0) {
      return UsageError("-n: at least one frame");
    }
  }
  if (once && invocation.Has("batch")) return UsageError("--once is one frame, --batch are many; give one of them");
  if (!batch && session.env().terminal == nullptr) {
    return UsageError("top needs a terminal; for scripts there are top --once and top --batch -n 5");
  }
  v1::WatchStatsRequest request;
  for (const std::string& arg : invocation.args) {
    const absl::StatusOr<std::string> pool = PoolName(arg);
    if (!pool.ok()) return UsageError(pool.status().message());
    request.add_pools(*pool);
  }
  // Rates need two ticks: once waits for the second.
  request.set_max_responses(once ? 2 : frames);
  request.mutable_interval()->set_seconds(1);
  const absl::StatusOr<AdminClient*> client = session.answering_client();
  if (!client.ok()) return client.status();
  session.env().interrupts();
  const auto stream = (*client)->WatchStats(request, absl::InfiniteDuration());
  Terminal* const screen = batch ? nullptr : session.env().terminal;
  TopView view;
  absl::optional<FullScreen> full_screen;  // Not before there is something to show: an error belongs on the old screen.
  bool paused = false;
  bool help = false;
  bool fresh = false;
  for (;;) {
    if (session.env().interrupts() > 0) return kExitInterrupted;
    v1::WatchStatsResponse tick;
    const Next next = stream->Read(&tick, session.env().poll);
    if (next == Next::kEnd) break;
    bool redraw = false;
    if (next == Next::kMessage && !paused) {
      Refresh(**client, view, session.timeout());
      view.Update(tick);
      redraw = true;
      fresh = true;
    }
    if (screen == nullptr) {
      if (redraw && !once) session.Write(absl::StrCat(view.Frame(LookOf(session, nullptr)), "\n"));
      if (!session.env().out->good()) return kExitOk;  // Nobody reads any more.
      continue;
    }
    if (!full_screen.has_value() && fresh) full_screen.emplace(screen);
    if (full_screen.has_value()) {
      // At most a screenful of keys at a time, so that a held key does not keep the numbers from being drawn.
      for (int i = 0; i < 80; ++i) {
        const absl::optional<char> key = screen->Key();
        if (!key.has_value()) break;
        if (*key == 'q') return kExitOk;
        if (*key == 's') view.SortByNext();
        if (*key == 'p' || *key == ' ') paused = !paused;
        if (*key == '?' || *key == 'h') help = !help;
        redraw = true;
      }
    }
    if (redraw && fresh) {
      Draw(session,
           absl::StrCat(view.Frame(LookOf(session, screen)), paused ? "paused: p goes on\n" : "", help ? kHelp : ""));
    }
  }
  if (!stream->status().ok()) return stream->status();
  if (once && fresh) session.Write(view.Frame(LookOf(session, nullptr)));
  return kExitOk;
}

}  // namespace chanpool::cli
