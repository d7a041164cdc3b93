// What the pool reads in a target, and what it leaves to gRPC.
#include "pool/grpc/target_name.h"

#include <gmock/gmock.h>
#include <grpc/grpc.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "pool/grpc/dns_options.h"
#include "pool/grpc/http_proxy.h"
#include "tests/fakes/status_matchers.h"

namespace chanpool {
namespace {

using ::chanpool::testing::IsOk;
using ::chanpool::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(TargetNameTest, ANameIsRead) {
  struct Row {
    const char* target;
    const char* host;
    const char* port;
    const char* authority;
  };
  for (const Row& row :
       {Row{"orders:50051", "orders", "50051", "orders:50051"},
        Row{"dns:orders:50051", "orders", "50051", "orders:50051"},
        Row{"dns:///orders.prod.svc:50051", "orders.prod.svc", "50051", "orders.prod.svc:50051"},
        Row{"dns:///orders", "orders", "443", "orders"}, Row{"localhost", "localhost", "443", "localhost"},
        Row{"dns://10.0.0.2:53/orders:1", "orders", "1", "orders:1"}}) {
    const TargetName name = ParseTarget(row.target);
    EXPECT_EQ(name.kind, TargetName::Kind::kName) << row.target;
    EXPECT_EQ(name.host, row.host) << row.target;
    EXPECT_EQ(name.port, row.port) << row.target;
    EXPECT_EQ(name.authority, row.authority) << row.target;
  }
  EXPECT_EQ(ParseTarget("dns://10.0.0.2:53/orders:1").dns_server, "10.0.0.2:53");
}

TEST(TargetNameTest, AddressesNeedNoLookUp) {
  const auto addresses = [](const char* target) {
    const TargetName name = ParseTarget(target);
    EXPECT_EQ(name.kind, TargetName::Kind::kAddresses) << target;
    return name.addresses;
  };
  EXPECT_THAT(addresses("10.0.0.1:50051"), ElementsAre("ipv4:10.0.0.1:50051"));
  EXPECT_THAT(addresses("dns:///[2001:db8::1]:50051"), ElementsAre("ipv6:[2001:db8::1]:50051"));
  EXPECT_THAT(addresses("ipv4:10.0.0.1:1,10.0.0.2:2,10.0.0.1:1"), ElementsAre("ipv4:10.0.0.1:1", "ipv4:10.0.0.2:2"));
  EXPECT_THAT(addresses("ipv6:[::1]:1,[::2]:2"), ElementsAre("ipv6:[::1]:1", "ipv6:[::2]:2"));
  EXPECT_THAT(addresses("unix:/run/orders.sock"), ElementsAre("unix:/run/orders.sock"));
  EXPECT_EQ(ParseTarget("ipv4:10.0.0.1:1,10.0.0.2:2").authority, "10.0.0.1:1,10.0.0.2:2");
  EXPECT_EQ(ParseTarget("unix:/run/orders.sock").authority, "") << "gRPC has one of its own";
}

TEST(TargetNameTest, WhatItDoesNotUnderstandInFullIsLeftToGrpc) {
  for (const char* target : {"xds:///orders", "google-c2p:///orders", "orders:http", "orders:0", "orders:65536", "",
                             ":1", "ipv4:orders:1", "ipv4:[::1]:1", "ipv6:10.0.0.1:1", "fe80::1%eth0", "dns://10.0.0.2",
                             "or ders:1", "http://orders:1", "unknown:///x"}) {
    EXPECT_EQ(ParseTarget(target).kind, TargetName::Kind::kOther) << target;
  }
}

TEST(DnsOptionsTest, WhatMakesNoSenseIsRefusedByName) {
  EXPECT_THAT(Validate(DnsOptions()), IsOk());
  DnsOptions options;
  options.servers = {"10.0.0.2", "10.0.0.2:5353", "[::1]:53"};
  EXPECT_THAT(Validate(options), IsOk());
  options.servers = {"ns.example"};
  EXPECT_THAT(Validate(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dns.servers: \"ns.example\"")));
  options = DnsOptions();
  options.timeout = absl::ZeroDuration();
  EXPECT_THAT(Validate(options), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dns.timeout: 0 is not")));
  options = DnsOptions();
  options.max_ttl = absl::Seconds(1);
  EXPECT_THAT(Validate(options), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dns.max_ttl: 1s")));
}

class HttpProxyTest : public ::testing::Test {
 protected:
  void SetUp() override { TearDown(); }
  void TearDown() override {
    for (const char* variable : {"grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy"})
      unsetenv(variable);
  }
  static std::string For(const std::string& host) { return HttpProxyFor(host, grpc::ChannelArguments()); }
};

TEST_F(HttpProxyTest, TheEnvironmentIsReadAsGrpcReadsIt) {
  EXPECT_EQ(For("orders"), "");
  setenv("http_proxy", "http://proxy:3128", 1);
  EXPECT_EQ(For("orders"), "http://proxy:3128");
  setenv("grpc_proxy", "http://first:3128", 1);
  EXPECT_EQ(For("orders"), "http://first:3128");
  setenv("no_proxy", "example.org, .svc", 1);
  EXPECT_EQ(For("orders"), "http://first:3128");
  EXPECT_EQ(For("orders.SVC"), "");
  setenv("no_grpc_proxy", "other", 1);
  EXPECT_EQ(For("orders.svc"), "http://first:3128") << "the first that is set";
}

TEST_F(HttpProxyTest, AChannelArgumentSwitchesItOff) {
  setenv("http_proxy", "http://proxy:3128", 1);
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  EXPECT_EQ(HttpProxyFor("orders", arguments), "");
}

}  // namespace
}  // namespace chanpool
