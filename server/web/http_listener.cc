#include "server/web/http_listener.h"

#include <array>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/optional.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace chanpool::web {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using tcp = boost::asio::ip::tcp;

constexpr int kThreads = 2;
// Requests that a client sends ahead wait here; when it is full, in the kernel.
constexpr size_t kReadBuffer = 2 * kMaxHttpHeaderBytes;
// What is read and dropped of a request whose rest nobody wants, so that the answer is not lost to a reset.
constexpr size_t kMaxDiscarded = 64 * 1024;
// After accept failed, which it does for want of descriptors.
constexpr absl::Duration kAcceptPause = absl::Milliseconds(100);

HttpResponse Plain(int status, std::string body) { return {status, kPlainText, std::move(body)}; }

// What was wrong with a request that could not be read; status 0 when there is nobody to tell.
HttpResponse Refusal(const error_code& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Plain(431, absl::StrCat("the headers are longer than ", kMaxHttpHeaderBytes, " bytes\n"));
  }
  if (error == http::error::body_limit) return Plain(413, "a request has no body here\n");
  if (error == http::error::end_of_stream || error == http::error::partial_message) return Plain(0, "");
  if (error.category() == make_error_code(http::error::bad_method).category()) {
    return Plain(400, absl::StrCat("this is no HTTP/1.1 request: ", error.message(), "\n"));
  }
  return Plain(0, "");
}

// One connection. Everything happens on its strand.
class Session : public std::enable_shared_from_this<Session> {
 public:
  // `options` and what `on_close` touches outlive every step; `on_close` is called once.
  Session(tcp::socket socket, const HttpListener::Options& options, std::function<void()> on_close)
      : stream_(std::move(socket)), options_(options), on_close_(std::move(on_close)) {}

  void Begin() {
    asio::post(stream_.get_executor(), [self = shared_from_this()] { self->Read(); });
  }

 private:
  void SetDeadline() { stream_.expires_after(absl::ToChronoNanoseconds(options_.deadline)); }

  void Read() {
    parser_.emplace();
    parser_->header_limit(kMaxHttpHeaderBytes);
    parser_->body_limit(0);
    SetDeadline();
    http::async_read_header(stream_, buffer_, *parser_,
                            [self = shared_from_this()](const error_code& error, size_t) { self->OnRead(error); });
  }

  void OnRead(const error_code& error) {
    if (error) {
      HttpResponse refusal = Refusal(error);
      if (refusal.status == 0) return Close();
      return Write(std::move(refusal), /*head=*/false, /*keep_open=*/false);
    }
    const bool head = parser_->get().method() == http::verb::head;
    if (parser_->chunked()) return Write(Plain(413, "a request has no body here\n"), head, /*keep_open=*/false);
    const bool keep_open = parser_->keep_alive() && ++requests_ < kMaxRequestsOfAConnection;
    Write(Answer(), head, keep_open);
  }

  HttpResponse Answer() const {
    const beast::string_view target = parser_->get().target();
    const absl::string_view whole(target.data(), target.size());
    const size_t question = whole.find('?');
    const absl::string_view path = whole.substr(0, question);
    const auto page = options_.pages.find(std::string(path));
    if (page == options_.pages.end()) {
      const std::string paths =
          absl::StrJoin(options_.pages, ", ", [](std::string* out, const auto& entry) { out->append(entry.first); });
      return Plain(
          404, absl::StrCat("there is no ", absl::CHexEscape(path.substr(0, 100)), " here; there is ", paths, "\n"));
    }
    const http::verb method = parser_->get().method();
    if (method != http::verb::get && method != http::verb::head)
      return Plain(405, "this page is read only: GET or HEAD\n");
    const absl::string_view query = question == absl::string_view::npos ? "" : whole.substr(question + 1);
    return page->second({std::string(path), std::string(query)});
  }

  void Write(HttpResponse answer, bool head, bool keep_open) {
    response_.emplace(static_cast<http::status>(answer.status), 11);
    response_->set(http::field::content_type, answer.content_type);
    response_->set(http::field::cache_control, "no-store");
    response_->set("X-Content-Type-Options", "nosniff");
    if (answer.status == 405) response_->set(http::field::allow, "GET, HEAD");
    response_->content_length(answer.body.size());
    response_->keep_alive(keep_open);
    if (!head) response_->body() = std::move(answer.body);
    SetDeadline();
    http::async_write(stream_, *response_, [self = shared_from_this(), keep_open](const error_code& error, size_t) {
      if (error) return self->Close();
      keep_open ? self->Read() : self->End();
    });
  }

  // Says that no more comes, and drops what the client still sends, until it closes too.
  void End() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    SetDeadline();
    Discard();
  }

  void Discard() {
    stream_.async_read_some(asio::buffer(discarded_),
                            [self = shared_from_this()](const error_code& error, size_t bytes) {
                              self->discarded_bytes_ += bytes;
                              error || self->discarded_bytes_ > kMaxDiscarded ? self->Close() : self->Discard();
                            });
  }

  // Every way ends here, unless the listener ends first.
  void Close() {
    stream_.close();
    on_close_();
  }

  beast::tcp_stream stream_;
  const HttpListener::Options& options_;
  const std::function<void()> on_close_;
  beast::flat_buffer buffer_{kReadBuffer};
  boost::optional<http::request_parser<http::empty_body>> parser_;
  boost::optional<http::response<http::string_body>> response_;
  std::array<char, 4096> discarded_;
  size_t discarded_bytes_ = 0;
  int requests_ = 0;
};

}  // namespace

// The acceptor's strand guards what has no other guard.
class HttpListener::Server {
 public:
  explicit Server(Options options) : options_(std::move(options)) {}

  ~Server() {
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
  }

  absl::Status Listen() {
    error_code error;
    const asio::ip::address address = asio::ip::make_address(options_.address, error);
    if (error) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", absl::CHexEscape(options_.address), "\" is no IP address; write 127.0.0.1 or ::1"));
    }
    const tcp::endpoint endpoint(address, options_.port);
    acceptor_.open(endpoint.protocol(), error);
    // A restart need not wait for connections of the last run to be forgotten. Nobody's port is taken by it.
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) local_ = acceptor_.local_endpoint(error);
    if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("cannot listen on ", AddressText(endpoint)));
    return absl::OkStatus();
  }

  void Run() {
    asio::post(acceptor_.get_executor(), [this] { Accept(); });
    for (int i = 0; i < kThreads; ++i) {
      threads_.emplace_back([this] { io_.run(); });
    }
  }

  uint16_t port() const { return local_.port(); }
  std::string url() const { return absl::StrCat("http://", AddressText(local_)); }
  int connections() const { return connections_.load(std::memory_order_relaxed); }

 private:
  static std::string AddressText(const tcp::endpoint& endpoint) {
    const std::string address = endpoint.address().to_string();
    return endpoint.address().is_v6() ? absl::StrCat("[", address, "]:", endpoint.port())
                                      : absl::StrCat(address, ":", endpoint.port());
  }

  void Accept() {
    accepting_ = connections_ < kMaxHttpConnections;
    if (!accepting_) return;  // OnClose goes on.
    acceptor_.async_accept(asio::make_strand(io_), [this](const error_code& error, tcp::socket socket) {
      if (error) return Pause();
      ++connections_;
      const auto on_close = [this] { asio::post(acceptor_.get_executor(), [this] { OnClose(); }); };
      std::make_shared<Session>(std::move(socket), options_, on_close)->Begin();
      Accept();
    });
  }

  void Pause() {
    pause_.expires_after(absl::ToChronoMilliseconds(kAcceptPause));
    pause_.async_wait([this](const error_code&) { Accept(); });
  }

  void OnClose() {
    --connections_;
    if (!accepting_) Accept();
  }

  const Options options_;
  asio::io_context io_{kThreads};
  tcp::acceptor acceptor_{asio::make_strand(io_)};
  asio::steady_timer pause_{acceptor_.get_executor()};
  tcp::endpoint local_;              // Set before the threads start.
  bool accepting_ = false;           // On the strand.
  std::atomic<int> connections_{0};  // Written on the strand.
  std::vector<std::thread> threads_;
};

absl::StatusOr<std::unique_ptr<HttpListener>> HttpListener::Start(Options options) {
  auto server = std::make_unique<Server>(std::move(options));
  const absl::Status listens = server->Listen();
  if (!listens.ok()) return listens;
  server->Run();
  return std::unique_ptr<HttpListener>(new HttpListener(std::move(server)));
}

HttpListener::HttpListener(std::unique_ptr<Server> server) : server_(std::move(server)) {}
HttpListener::~HttpListener() = default;

uint16_t HttpListener::port() const { return server_->port(); }
std::string HttpListener::url() const { return server_->url(); }
int HttpListener::connections() const { return server_->connections(); }

}  // namespace chanpool::web
