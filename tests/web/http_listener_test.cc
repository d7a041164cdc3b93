#include "server/web/http_listener.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/web/standard_pages.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/status_matchers.h"
#include "tests/web/raw_client.h"

namespace chanpool::web {
namespace {

using chanpool::testing::Eventually;
using chanpool::testing::Get;
using chanpool::testing::IsOk;
using chanpool::testing::RawClient;
using chanpool::testing::Signal;
using chanpool::testing::StatusIs;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kGet[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

// Two pages, and a deadline that no test reaches unless it wants to.
HttpListener::Options TwoPages() {
  HttpListener::Options options;
  options.deadline = absl::Seconds(60);
  options.pages["/a"] = [](const HttpRequest&) { return HttpResponse{200, kPlainText, "page a"}; };
  options.pages["/query"] = [](const HttpRequest& request) {
    return HttpResponse{200, kPlainText, absl::StrCat(request.path, " and ", request.query)};
  };
  return options;
}

std::unique_ptr<HttpListener> Start(HttpListener::Options options = TwoPages()) {
  absl::StatusOr<std::unique_ptr<HttpListener>> listener = HttpListener::Start(std::move(options));
  EXPECT_THAT(listener, IsOk());
  return std::move(listener).value();
}

TEST(HttpListenerTest, AnswersAPage) {
  const auto listener = Start();
  EXPECT_NE(listener->port(), 0);
  EXPECT_EQ(listener->url(), absl::StrCat("http://127.0.0.1:", listener->port()));
  EXPECT_EQ(Get(listener->port(), "/a"),
            "HTTP/1.1 200 OK\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Cache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\n"
            "Content-Length: 6\r\n\r\n"
            "page a");
  EXPECT_THAT(Get(listener->port(), "/query?x=1&y"), EndsWith("\r\n\r\n/query and x=1&y"));
}

TEST(HttpListenerTest, AnswersHeadWithoutABody) {
  const auto listener = Start();
  RawClient client(listener->port());
  client.Send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(client.ReadAnswer(/*head=*/true), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Length: 6\r\n")));
  client.Send(kGet);  // On the same connection: no byte of a body was in between.
  EXPECT_THAT(client.ReadAnswer(), AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("page a")));
}

TEST(HttpListenerTest, NamesItsPagesWhereThereIsNone) {
  const auto listener = Start();
  EXPECT_THAT(Get(listener->port(), "/b"),
              AllOf(StartsWith("HTTP/1.1 404 "), EndsWith("there is no /b here; there is /a, /query\n")));
  EXPECT_THAT(Get(listener->port(), "/a/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Get(listener->port(), "http://x/a"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Get(listener->port(), "/\x9b[31m"), HasSubstr("/\\x9b[31m"));
}

TEST(HttpListenerTest, RefusesOtherMethods) {
  const auto listener = Start();
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"}) {
    RawClient client(listener->port());
    client.Send(absl::StrCat(method, " /a HTTP/1.1\r\nHost: x\r\n\r\n"));
    EXPECT_THAT(client.ReadAnswer(), AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("Allow: GET, HEAD\r\n"))) << method;
  }
}

TEST(HttpListenerTest, RefusesBodies) {
  const auto listener = Start();
  for (const char* body : {"Content-Length: 5\r\n\r\nhello", "Content-Length: 99999999\r\n\r\n",
                           "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"}) {
    RawClient client(listener->port());
    client.Send(absl::StrCat("GET /a HTTP/1.1\r\nHost: x\r\n", body));
    EXPECT_THAT(client.ReadAnswer(), AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr("Connection: close"))) << body;
  }
}

TEST(HttpListenerTest, RefusesHeadersAboveTheLimit) {
  const auto listener = Start();
  for (const std::string& header : {"X: " + std::string(kMaxHttpHeaderBytes, 'x'), std::string(100000, 'x')}) {
    RawClient client(listener->port());
    client.Send(absl::StrCat("GET /a HTTP/1.1\r\n", header));
    EXPECT_THAT(client.ReadAnswer(), StartsWith("HTTP/1.1 431 "));
  }
  RawClient below(listener->port());
  below.Send(absl::StrCat("GET /a HTTP/1.1\r\nX: ", std::string(kMaxHttpHeaderBytes - 100, 'x'), "\r\n\r\n"));
  EXPECT_THAT(below.ReadAnswer(), StartsWith("HTTP/1.1 200 "));
}

TEST(HttpListenerTest, RefusesWhatIsNoHttp) {
  const auto listener = Start();
  for (const char* bytes : {"hello\r\n\r\n", "GET /a\r\n\r\n", "GET /a HTTP/9.9\r\n\r\n",
                            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"}) {
    RawClient client(listener->port());
    client.Send(bytes);
    EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 400 ")) << bytes;
  }
}

TEST(HttpListenerTest, AnswersPipelinedRequestsInOrder) {
  const auto listener = Start();
  RawClient client(listener->port());
  std::string requests;
  for (int i = 0; i < 50; ++i) absl::StrAppend(&requests, "GET /query?", i, " HTTP/1.1\r\nHost: x\r\n\r\n");
  client.Send(requests);
  for (int i = 0; i < 50; ++i) EXPECT_THAT(client.ReadAnswer(), EndsWith(absl::StrCat(" and ", i)));
}

TEST(HttpListenerTest, AnswersARequestThatComesInPieces) {
  const auto listener = Start();
  RawClient client(listener->port());
  for (const char byte : std::string(kGet)) ASSERT_TRUE(client.Send(std::string(1, byte)));
  EXPECT_THAT(client.ReadAnswer(), EndsWith("page a"));
}

TEST(HttpListenerTest, ClosesWhereTheClientWantsItAndAfterManyRequests) {
  const auto listener = Start();
  RawClient old(listener->port());
  old.Send("GET /a HTTP/1.0\r\n\r\n");
  EXPECT_THAT(old.ReadToEnd(), EndsWith("page a"));
  RawClient busy(listener->port());
  for (int i = 1; i < kMaxRequestsOfAConnection; ++i) {
    busy.Send(kGet);
    ASSERT_THAT(busy.ReadAnswer(), Not(HasSubstr("Connection: close")));
  }
  busy.Send(kGet);
  EXPECT_THAT(busy.ReadToEnd(), HasSubstr("Connection: close"));
}

TEST(HttpListenerTest, DropsClientsThatAreTooSlow) {
  HttpListener::Options options = TwoPages();
  options.deadline = absl::Milliseconds(50);
  options.pages["/large"] = [](const HttpRequest&) {
    return HttpResponse{200, kPlainText, std::string(64 << 20, 'x')};
  };
  const auto listener = Start(std::move(options));
  RawClient silent(listener->port());
  EXPECT_EQ(silent.ReadToEnd(), "");
  RawClient half(listener->port());
  half.Send("GET /a HTTP/1.1\r\nHos");
  EXPECT_EQ(half.ReadToEnd(), "");
  RawClient unread(listener->port());
  unread.Send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");  // And does not read.
  EXPECT_TRUE(Eventually([&] { return listener->connections() == 0; }));
}

TEST(HttpListenerTest, LetsTheSeventeenthConnectionWait) {
  const auto listener = Start();
  std::vector<std::unique_ptr<RawClient>> clients;
  const auto all_are_served = [&clients] {
    for (const auto& client : clients) {
      client->Send(kGet);
      if (client->ReadAnswer().empty()) return false;
    }
    return true;
  };
  for (int i = 0; i < kMaxHttpConnections; ++i) clients.push_back(std::make_unique<RawClient>(listener->port()));
  ASSERT_TRUE(all_are_served());
  RawClient one_more(listener->port());
  one_more.Send(kGet);
  ASSERT_TRUE(all_are_served());
  EXPECT_EQ(listener->connections(), kMaxHttpConnections);
  clients.pop_back();
  EXPECT_THAT(one_more.ReadAnswer(), EndsWith("page a"));
}

TEST(HttpListenerTest, ASlowPageDoesNotHoldUpAProbe) {
  HttpListener::Options options = TwoPages();
  Signal asked, go_on;
  options.pages["/slow"] = [&](const HttpRequest&) {
    asked.Notify();
    go_on.Await();
    return HttpResponse{200, kPlainText, "slow"};
  };
  const auto listener = Start(std::move(options));
  RawClient slow(listener->port());
  slow.Send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(asked.Await());
  EXPECT_THAT(Get(listener->port(), "/a"), EndsWith("page a"));
  go_on.Notify();
  EXPECT_THAT(slow.ReadAnswer(), EndsWith("slow"));
}

TEST(HttpListenerTest, EndsWithConnectionsOpen) {
  auto listener = Start();
  RawClient idle(listener->port()), half(listener->port()), served(listener->port());
  half.Send("GET /a HT");
  served.Send(kGet);
  served.ReadAnswer();
  ASSERT_TRUE(Eventually([&] { return listener->connections() == 3; }));
  const uint16_t port = listener->port();
  listener.reset();
  for (RawClient* client : {&idle, &half, &served}) EXPECT_EQ(client->ReadToEnd(), "");
  HttpListener::Options again = TwoPages();
  again.port = port;
  EXPECT_THAT(HttpListener::Start(std::move(again)), IsOk());
}

TEST(HttpListenerTest, SaysWhyItCannotListen) {
  const auto listener = Start();
  HttpListener::Options taken = TwoPages();
  taken.port = listener->port();
  EXPECT_THAT(HttpListener::Start(taken),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(absl::StrCat("127.0.0.1:", taken.port)), HasSubstr("Address already in use"))));
  HttpListener::Options name = TwoPages();
  name.address = "localhost";
  EXPECT_THAT(HttpListener::Start(name), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"localhost\"")));
  HttpListener::Options elsewhere = TwoPages();
  elsewhere.address = "192.0.2.1";  // Reserved for documents: nobody's.
  EXPECT_THAT(HttpListener::Start(elsewhere).status().message(), HasSubstr("cannot listen on 192.0.2.1:0"));
}

TEST(StandardPagesTest, ProbesSayWhetherTheProcessLivesAndWhetherItIsReady) {
  Readiness readiness{true, {}};
  HttpListener::Options options;
  options.pages = StandardPages({[] { return MetricsSnapshot(); }, [&readiness] { return readiness; }});
  const auto listener = Start(std::move(options));
  EXPECT_THAT(Get(listener->port(), "/healthz"), AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("\r\n\r\nok\n")));
  EXPECT_THAT(Get(listener->port(), "/readyz"), AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("\r\n\r\nok\n")));
  readiness = {false, {"draining", "pools/orders: UNAVAILABLE"}};
  EXPECT_THAT(Get(listener->port(), "/readyz"),
              AllOf(StartsWith("HTTP/1.1 503 "), EndsWith("\r\n\r\nnot ready\ndraining\npools/orders: UNAVAILABLE\n")));
  EXPECT_THAT(Get(listener->port(), "/healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get(listener->port(), "/metrics"),
              AllOf(HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
                    HasSubstr("# TYPE chanpool_connections gauge\n")));
}

}  // namespace
}  // namespace chanpool::web
