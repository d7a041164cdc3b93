#include "server/admin/call_view.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool::admin {
namespace {

std::vector<MethodStats> Methods(int n) {
  std::vector<MethodStats> methods;
  for (int i = 0; i < n; ++i) {
    methods.push_back({"/a.A/M" + std::to_string(i), {}});
    methods.back().calls.by_code[0] = 1;
  }
  return methods;
}

TEST(CallViewTest, WhatDoesNotFitIsOneRowAndTheSumStays) {
  std::vector<MethodStats> methods = Methods(5);
  methods.push_back({kOtherMethods, {}});
  methods.back().calls.by_code[0] = 10;
  const std::vector<MethodStats> folded = FoldMethods(methods, 2);
  ASSERT_THAT(folded, ::testing::SizeIs(3));
  EXPECT_EQ(folded[1].method, "/a.A/M1");
  EXPECT_EQ(folded[2].method, kOtherMethods);
  EXPECT_EQ(folded[2].calls.requests(), 13u);
  EXPECT_EQ(Total(folded).requests(), 15u);
}

TEST(CallViewTest, WhatFitsStaysAsItIs) { EXPECT_THAT(FoldMethods(Methods(2), 2), ::testing::SizeIs(2)); }

TEST(CallViewTest, WithNoRoomEverythingIsOneRow) {
  const std::vector<MethodStats> folded = FoldMethods(Methods(3), 0);
  ASSERT_THAT(folded, ::testing::SizeIs(1));
  EXPECT_EQ(folded[0].method, kOtherMethods);
  EXPECT_EQ(folded[0].calls.requests(), 3u);
}

}  // namespace
}  // namespace chanpool::admin
