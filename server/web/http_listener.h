// A few pages over HTTP/1.1 for machines on this host: metrics, probes. Reads only: GET and HEAD.
//
//   HttpListener::Options options;
//   options.port = 9402;
//   options.pages["/healthz"] = [](const HttpRequest&) { return HttpResponse{200, kPlainText, "ok\n"}; };
//   absl::StatusOr<std::unique_ptr<HttpListener>> listener = HttpListener::Start(std::move(options));
//
// There is no encryption and no login: whoever reaches the address reads the pages.
#ifndef CHANPOOL_SERVER_WEB_HTTP_LISTENER_H_
#define CHANPOOL_SERVER_WEB_HTTP_LISTENER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace chanpool::web {

inline constexpr char kPlainText[] = "text/plain; charset=utf-8";

// Connections at a time: a scraper, a few probes, people. The next ones wait in the kernel until one ends.
inline constexpr int kMaxHttpConnections = 16;
// Of a request's first line and headers; above it the answer is 431.
inline constexpr size_t kMaxHttpHeaderBytes = 8192;
// Then the connection is closed, so that none is held for ever.
inline constexpr int kMaxRequestsOfAConnection = 100;

// What a page may look at.
struct HttpRequest {
  std::string path;   // "/metrics"
  std::string query;  // After the question mark, as it was sent.
};

struct HttpResponse {
  int status = 200;
  std::string content_type = kPlainText;
  std::string body;
};

// Runs on one of the listener's threads, two at a time: thread-safe, and soon done.
using HttpPage = std::function<HttpResponse(const HttpRequest&)>;

// Thread-safe. Has two threads, so that a slow page does not hold up a probe.
class HttpListener {
 public:
  struct Options {
    // Of this machine: an IP address.
    std::string address = "127.0.0.1";
    // 0 takes a free one.
    uint16_t port = 0;
    // By path. All others answer 404 with a list of these.
    std::map<std::string, HttpPage> pages;
    // How long a request may take to arrive, and an answer to leave, however slowly bytes drip; also how long a
    // connection may be idle. Of the real time.
    absl::Duration deadline = absl::Seconds(5);
  };

  // Listens at once. kInvalidArgument for an address that is none; otherwise what the system says, with address and
  // port: kFailedPrecondition when the port is taken, kPermissionDenied, ...
  static absl::StatusOr<std::unique_ptr<HttpListener>> Start(Options options);

  // Closes the port and all connections, answered or not. Waits for pages that run, for nothing else.
  ~HttpListener();

  // Which port it is.
  uint16_t port() const;
  // "http://127.0.0.1:9402"
  std::string url() const;
  // Open now.
  int connections() const;

 private:
  class Server;  // Hides Boost, whose headers are slow to compile.
  explicit HttpListener(std::unique_ptr<Server> server);
  const std::unique_ptr<Server> server_;
};

}  // namespace chanpool::web
#endif  // CHANPOOL_SERVER_WEB_HTTP_LISTENER_H_
