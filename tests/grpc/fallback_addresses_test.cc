#include "pool/grpc/fallback_addresses.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace chanpool {
namespace {

std::vector<Endpoint> At(const std::vector<std::string>& addresses) {
  std::vector<Endpoint> endpoints;
  for (const std::string& address : addresses) endpoints.push_back({address});
  return endpoints;
}

TEST(FallbackAddressesTest, EachAddressHasTheNextOnes) {
  const std::vector<Endpoint> four = At({"ipv4:1.1.1.1:1", "ipv4:2.2.2.2:2", "ipv4:3.3.3.3:3", "ipv4:4.4.4.4:4"});
  EXPECT_EQ(WithFallbacks("ipv4:1.1.1.1:1", four), "ipv4:1.1.1.1:1,2.2.2.2:2,3.3.3.3:3");
  EXPECT_EQ(WithFallbacks("ipv4:3.3.3.3:3", four), "ipv4:3.3.3.3:3,4.4.4.4:4,1.1.1.1:1");
}

TEST(FallbackAddressesTest, FallsBackToAddressesOfItsOwnKindAlone) {
  const std::vector<Endpoint> mixed = At({"ipv4:1.1.1.1:1", "ipv6:[::1]:2", "unix:/a", "name:4", "ipv6:[::2]:5"});
  EXPECT_EQ(WithFallbacks("ipv4:1.1.1.1:1", mixed), "ipv4:1.1.1.1:1");
  EXPECT_EQ(WithFallbacks("ipv6:[::2]:5", mixed), "ipv6:[::2]:5,[::1]:2");
  EXPECT_EQ(WithFallbacks("unix:/a", mixed), "unix:/a");
  EXPECT_EQ(WithFallbacks("name:4", mixed), "name:4");
}

TEST(FallbackAddressesTest, OneThatIsListedNoMoreHasTheOthersAllTheSame) {
  EXPECT_EQ(WithFallbacks("ipv4:9.9.9.9:9", At({"ipv4:1.1.1.1:1", "ipv4:2.2.2.2:2", "ipv4:3.3.3.3:3"})),
            "ipv4:9.9.9.9:9,1.1.1.1:1,2.2.2.2:2");
  EXPECT_EQ(WithFallbacks("ipv4:9.9.9.9:9", {}), "ipv4:9.9.9.9:9");
}

TEST(FallbackAddressesTest, KnowsAPeerByItsAddress) {
  EXPECT_TRUE(IsPeer("ipv4:1.1.1.1:1", "ipv4:1.1.1.1:1"));
  EXPECT_FALSE(IsPeer("ipv4:1.1.1.1:1", "ipv4:1.1.1.1:11"));
  EXPECT_TRUE(IsPeer("ipv6:[::1]:2", "ipv6:%5B::1%5D:2"));
  EXPECT_FALSE(IsPeer("ipv4:1.1.1.1:1", ""));
}

}  // namespace
}  // namespace chanpool
