#include "pool/core/endpoint_set.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Le;
using testing::UnorderedElementsAre;
using testing::UnorderedElementsAreArray;

const absl::Time kBegin = absl::FromUnixSeconds(1'000'000);

std::vector<Endpoint> Named(int n) {
  std::vector<Endpoint> endpoints;
  for (int i = 0; i < n; ++i) endpoints.push_back({absl::StrCat("10.0.0.", i, ":50051")});
  return endpoints;
}

// A set and its time. Addresses stand for ids.
class World {
 public:
  explicit World(std::vector<Endpoint> endpoints, PoolOptions options = PoolOptions(), uint64_t seed = 1)
      : set(options, seed), options(options) {
    Update(endpoints);
  }

  EndpointSet::Diff Update(const std::vector<Endpoint>& endpoints) {
    EXPECT_EQ(EndpointSet::Validate(endpoints), absl::OkStatus());
    EndpointSet::Diff diff = set.Update(endpoints);
    ids.clear();
    for (const EndpointStats& row : set.Stats(now)) {
      ids[row.endpoint.address] = row.endpoint.id;
      names[row.endpoint.id] = row.endpoint.address;
    }
    return diff;
  }
  std::string Next(bool insist = false) {
    const auto id = set.PickForDial(now, insist);
    return id ? names[*id] : "none";
  }
  // One more connection where the set wants it; the address.
  std::string Open() {
    const auto id = set.PickForDial(now, /*insist=*/false);
    if (!id) return "none";
    OpenAt(names[*id]);
    return names[*id];
  }
  void OpenAt(const std::string& address) {
    set.OnMoved(ids[address], SlotState::kClosed, SlotState::kConnecting);
    set.OnOpened(ids[address], now);
    set.OnMoved(ids[address], SlotState::kConnecting, SlotState::kOpen);
  }
  void CloseAt(const std::string& address) { set.OnMoved(ids[address], SlotState::kOpen, SlotState::kClosed); }
  void LoseAt(const std::string& address) {
    set.OnLost(ids[address]);
    CloseAt(address);
  }
  void FailAt(const std::string& address) {
    const absl::Time began = now;
    set.OnMoved(ids[address], SlotState::kClosed, SlotState::kConnecting);
    now += absl::Microseconds(1);
    set.OnDialFailed(ids[address], absl::UnavailableError("refused"), began, now);
    set.OnMoved(ids[address], SlotState::kConnecting, SlotState::kClosed);
  }
  EndpointStats At(const std::string& address) {
    for (const EndpointStats& row : set.Stats(now)) {
      if (row.endpoint.address == address) return row;
    }
    return EndpointStats();
  }
  int Connections(const std::string& address) { return At(address).connections; }
  void Calls(const std::string& address, uint64_t answered, uint64_t failed, double ms = 1, uint64_t in_row = 0) {
    CallCounts calls;
    calls.answered = answered;
    calls.failed = failed;
    calls.latency_us = static_cast<uint64_t>(answered * ms * 1000);
    calls.failed_in_row = in_row;
    set.AddCalls(ids[address], calls);
  }
  // The addresses that housekeeping ejects now.
  std::vector<std::string> Tick(absl::Duration after = absl::ZeroDuration()) {
    now += after;
    std::vector<std::string> ejected;
    for (const EndpointSet::Ejection& ejection : set.Tick(now)) {
      ejected.push_back(names[ejection.id]);
      while (At(ejected.back()).connections_open > 0) CloseAt(ejected.back());
    }
    return ejected;
  }

  EndpointSet set;
  PoolOptions options;
  absl::Time now = kBegin;
  std::map<std::string, uint64_t> ids;
  std::map<uint64_t, std::string> names;
};

// --- The list -----------------------------------------------------------------------------------------------------

TEST(EndpointSetTest, BeginsWithOneEndpointWithoutAnAddress) {
  EndpointSet set(PoolOptions(), /*seed=*/1);
  const auto id = set.PickForDial(kBegin, false);
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(set.Get(*id).address, "");
  EXPECT_EQ(set.NextMove(kBegin), std::nullopt);
}

TEST(EndpointSetTest, AnUpdateTellsWhatCameWentAndWeighsOtherwise) {
  World world({{"a"}, {"b"}, {"c"}});
  const auto old = world.ids;
  const EndpointSet::Diff diff = world.Update({{"b"}, {"c", 3}, {"d"}});
  EXPECT_THAT(diff.left, ElementsAre(old.at("a")));
  EXPECT_THAT(diff.added, ElementsAre(world.ids["d"]));
  EXPECT_THAT(diff.reweighted, ElementsAre(old.at("c")));
  EXPECT_EQ(world.ids["b"], old.at("b"));
  EXPECT_TRUE(world.Update({{"d"}, {"c", 3}, {"b"}}).empty()) << "the order of the list says nothing";
}

TEST(EndpointSetTest, AnAddressThatReturnsIsAnotherEndpoint) {
  World world({{"a"}, {"b"}});
  const uint64_t first = world.ids["a"];
  world.Update({{"b"}});
  world.Update({{"b"}, {"a"}});
  EXPECT_GT(world.ids["a"], first);
}

TEST(EndpointSetTest, RefusesAListThatMakesNoSense) {
  EXPECT_THAT(EndpointSet::Validate({}).message(), HasSubstr("none given"));
  EXPECT_THAT(EndpointSet::Validate({{""}}).message(), HasSubstr("address is empty"));
  EXPECT_THAT(EndpointSet::Validate({{"a"}, {"b"}, {"a"}}).message(), HasSubstr("a is there twice"));
  EXPECT_THAT(EndpointSet::Validate({{"a", 0}}).message(), HasSubstr("weight 0 of a"));
  EXPECT_EQ(EndpointSet::Validate({{"a", kMaxWeight}}), absl::OkStatus());
}

TEST(EndpointSetTest, MoreEndpointsThanConnectionsIsAWarning) {
  PoolOptions options;
  options.max_connections = 2;
  World world({{"a"}, {"b"}}, options);
  EXPECT_EQ(world.set.Warning(), "");
  world.Update({{"a"}, {"b"}, {"c"}});
  EXPECT_THAT(world.set.Warning(), HasSubstr("max_connections: 2 is below the 3 endpoints in use"));
  options.subset_size = 2;
  world.set.Configure(options, world.now);
  EXPECT_EQ(world.set.Warning(), "");
}

// --- Spread -------------------------------------------------------------------------------------------------------

TEST(EndpointSetTest, ConnectionsStayWithinOneOfEachOther) {
  World world(Named(4));
  for (int n = 1; n <= 17; ++n) {
    world.Open();
    for (const EndpointStats& row : world.set.Stats(world.now)) {
      EXPECT_THAT(row.connections, AllOf(Ge(n / 4), Le((n + 3) / 4)));
    }
  }
}

TEST(EndpointSetTest, ConnectionsFollowTheWeights) {
  World world({{"light", 1}, {"heavy", 3}});
  for (int n = 0; n < 8; ++n) world.Open();
  EXPECT_EQ(world.Connections("light"), 2);
  EXPECT_EQ(world.Connections("heavy"), 6);
}

TEST(EndpointSetTest, TiesAreBrokenAlikeForOneSeedAndOtherwiseForAnother) {
  std::map<std::string, int> first;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const std::string address = World(Named(4), PoolOptions(), seed).Next();
    EXPECT_EQ(World(Named(4), PoolOptions(), seed).Next(), address);
    ++first[address];
  }
  ASSERT_EQ(first.size(), 4u);
  for (const auto& [address, clients] : first) EXPECT_THAT(clients, AllOf(Ge(60), Le(140))) << address;
}

TEST(EndpointSetTest, AnAddedEndpointIsGivenConnectionsOfTheOthers) {
  World world({{"a"}, {"b"}});
  for (int n = 0; n < 6; ++n) world.Open();
  world.Update({{"a"}, {"b"}, {"c"}});
  int moves = 0;
  while (const auto move = world.set.NextMove(world.now)) {
    ASSERT_EQ(world.names[move->to], "c");
    world.CloseAt(world.names[move->from]);
    world.OpenAt("c");
    ASSERT_LE(++moves, 2);
  }
  EXPECT_THAT((std::vector<int>{world.Connections("a"), world.Connections("b"), world.Connections("c")}),
              ElementsAre(2, 2, 2));
}

TEST(EndpointSetTest, ASkewOfOneIsLeftAlone) {
  World world({{"a"}, {"b"}});
  world.OpenAt("a");
  EXPECT_EQ(world.set.NextMove(world.now), std::nullopt);
  world.OpenAt("a");
  ASSERT_TRUE(world.set.NextMove(world.now).has_value());
  // One that is on its way counts already.
  world.set.OnLeaving(world.ids["a"], 1);
  world.set.OnMoved(world.ids["b"], SlotState::kClosed, SlotState::kConnecting);
  EXPECT_EQ(world.set.NextMove(world.now), std::nullopt);
}

TEST(EndpointSetTest, MovesEndWithAnyWeights) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Endpoint> endpoints = Named(2 + static_cast<int>(random() % 6));
    for (Endpoint& endpoint : endpoints) endpoint.weight = 1 + static_cast<int>(random() % 10);
    World world(endpoints);
    const int connections = 1 + static_cast<int>(random() % 40);
    for (int n = 0; n < connections; ++n) world.OpenAt(endpoints[random() % endpoints.size()].address);
    int moves = 0;
    while (const auto move = world.set.NextMove(world.now)) {
      world.CloseAt(world.names[move->from]);
      world.OpenAt(world.names[move->to]);
      ASSERT_LE(++moves, connections);
    }
  }
}

// --- The subset ---------------------------------------------------------------------------------------------------

std::vector<std::string> SubsetOf(uint64_t seed, const std::vector<Endpoint>& endpoints, int size) {
  PoolOptions options;
  options.subset_size = size;
  World world(endpoints, options, seed);
  std::vector<std::string> used;
  for (const EndpointStats& row : world.set.Stats(world.now)) {
    if (row.state != EndpointState::kSpare) used.push_back(row.endpoint.address);
  }
  return used;
}

TEST(EndpointSetTest, ASubsetIsDialledAndTheRestIsSpare) {
  PoolOptions options;
  options.subset_size = 3;
  World world(Named(8), options);
  std::map<std::string, int> dialled;
  for (int n = 0; n < 9; ++n) ++dialled[world.Open()];
  ASSERT_EQ(dialled.size(), 3u);
  for (const auto& [address, n] : dialled) EXPECT_EQ(n, 3) << address;
}

TEST(EndpointSetTest, AFleetsSubsetsLoadEveryEndpointAlike) {
  constexpr int kClients = 1000, kEndpoints = 50, kSubset = 10;
  std::map<std::string, int> clients;
  for (uint64_t seed = 0; seed < kClients; ++seed) {
    for (const std::string& address : SubsetOf(seed * 0x9e3779b97f4a7c15, Named(kEndpoints), kSubset))
      ++clients[address];
  }
  // Binomial: N k / m of them, with a deviation of sqrt(N k / m (1 - k / m)); four of those are passed once in 16,000.
  const double mean = double{kClients} * kSubset / kEndpoints;
  const double deviation = std::sqrt(mean * (1 - double{kSubset} / kEndpoints));
  ASSERT_EQ(clients.size(), size_t{kEndpoints});
  double most = 0;
  for (const auto& [address, n] : clients) {
    EXPECT_NEAR(n, mean, 4 * deviation) << address;
    most = std::max<double>(most, n);
  }
  EXPECT_LT(most / mean, 1.25);
}

TEST(EndpointSetTest, AFleetsSubsetsFollowTheWeights) {
  constexpr int kClients = 2000, kSubset = 4;
  std::vector<Endpoint> endpoints = Named(40);
  for (int i = 0; i < 20; ++i) endpoints[i].weight = 2;
  int heavy = 0;
  for (uint64_t seed = 0; seed < kClients; ++seed) {
    for (const std::string& address : SubsetOf(seed, endpoints, kSubset)) {
      heavy += std::any_of(endpoints.begin(), endpoints.begin() + 20,
                           [&](const Endpoint& e) { return e.address == address; });
    }
  }
  EXPECT_NEAR(1.0 * heavy / (kClients * kSubset), 2.0 / 3, 0.02);
}

TEST(EndpointSetTest, AnEndpointThatGoesChangesOneMemberOfASubset) {
  const std::vector<Endpoint> all = Named(20);
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::vector<std::string> before = SubsetOf(seed, all, 5);
    std::vector<Endpoint> fewer = all;
    fewer.erase(fewer.begin() + static_cast<int>(seed % 20));
    const std::vector<std::string> after = SubsetOf(seed, fewer, 5);
    int stayed = 0;
    for (const std::string& address : before) stayed += std::count(after.begin(), after.end(), address);
    const bool was_in = std::count(before.begin(), before.end(), all[seed % 20].address) > 0;
    EXPECT_EQ(stayed, was_in ? 4 : 5);
  }
}

TEST(EndpointSetTest, ASmallerSubsetLetsTheLastOfTheOrderGo) {
  PoolOptions options;
  World world(Named(6), options);
  options.subset_size = 4;
  const EndpointSet::Diff fewer = world.set.Configure(options, world.now);
  EXPECT_EQ(fewer.left.size(), 2u);
  options.subset_size = 0;
  const EndpointSet::Diff again = world.set.Configure(options, world.now);
  EXPECT_THAT(again.added, UnorderedElementsAreArray(fewer.left));
}

// --- Back-off -----------------------------------------------------------------------------------------------------

TEST(EndpointSetTest, ADeadEndpointDoesNotStopDialsToTheOthers) {
  World world({{"dead"}, {"b"}, {"c"}});
  world.FailAt("dead");
  std::map<std::string, int> dialled;
  for (int n = 0; n < 6; ++n) ++dialled[world.Open()];
  EXPECT_EQ(dialled.size(), 2u);
  EXPECT_EQ(dialled.count("dead"), 0u);
  EXPECT_FALSE(world.set.BacksOff(world.now));
  EXPECT_EQ(world.set.retry_at(), absl::InfinitePast());
}

TEST(EndpointSetTest, ADeadEndpointIsTriedAgainByAMoveThatNobodyWaitsFor) {
  World world({{"dead"}, {"b"}});
  world.FailAt("dead");
  for (int n = 0; n < 3; ++n) world.Open();
  EXPECT_EQ(world.set.NextMove(world.now), std::nullopt) << "before its back-off is over";
  world.now = world.set.retry_at(world.ids["dead"]);
  EXPECT_EQ(world.Next(), "b") << "callers' dials go where dials succeed";
  const auto move = world.set.NextMove(world.now);
  ASSERT_TRUE(move.has_value());
  EXPECT_EQ(world.names[move->to], "dead");
}

TEST(EndpointSetTest, WithoutSurgeADeadEndpointTakesItsTurnAndNoMove) {
  PoolOptions options;
  options.max_surge = 0;
  World world({{"dead"}, {"b"}}, options);
  world.FailAt("dead");
  for (int n = 0; n < 3; ++n) EXPECT_EQ(world.Open(), "b");
  world.now = world.set.retry_at(world.ids["dead"]);
  EXPECT_EQ(world.set.NextMove(world.now), std::nullopt);
  EXPECT_EQ(world.Next(), "dead");
}

TEST(EndpointSetTest, EachEndpointHasABackOffOfItsOwnThatGrows) {
  World world({{"a"}, {"b"}});
  absl::Duration last = absl::ZeroDuration();
  for (int n = 0; n < 4; ++n) {
    world.FailAt("a");
    const absl::Duration wait = world.set.retry_at(world.ids["a"]) - world.now;
    EXPECT_GT(wait, last);
    last = wait;
    world.now += wait;
  }
  world.FailAt("b");
  EXPECT_LE(world.set.retry_at(world.ids["b"]) - world.now, absl::Milliseconds(120));
}

TEST(EndpointSetTest, WhenAllFailTheFirstToBeDueStandsForTheTarget) {
  World world({{"a"}, {"b"}});
  world.FailAt("a");
  world.now += absl::Milliseconds(50);
  world.FailAt("b");
  EXPECT_TRUE(world.set.BacksOff(world.now));
  EXPECT_EQ(world.set.retry_at(), world.set.retry_at(world.ids["a"]));
  EXPECT_EQ(world.Next(), "none");
  EXPECT_EQ(world.Next(/*insist=*/true), "a");
  world.now = world.set.retry_at();
  EXPECT_EQ(world.Next(), "a");
}

TEST(EndpointSetTest, OneDialAtATimeStandsForAnEndpointThatFails) {
  World world({{"a"}});
  world.FailAt("a");
  world.now = world.set.retry_at();
  world.set.OnMoved(world.ids["a"], SlotState::kClosed, SlotState::kConnecting);
  EXPECT_TRUE(world.set.BacksOff(world.now));
}

// --- Slow start and weights ---------------------------------------------------------------------------------------

TEST(EndpointSetTest, ANewEndpointsShareGrowsOverSlowStart) {
  PoolOptions options;
  options.slow_start = absl::Seconds(10);
  World world({{"old"}}, options);
  world.OpenAt("old");
  world.now += absl::Minutes(1);
  world.Update({{"old"}, {"new"}});
  world.OpenAt("new");
  EXPECT_EQ(world.set.Share(world.ids["old"], world.now), 1);
  EXPECT_EQ(world.set.Share(world.ids["new"], world.now), 0.1);
  world.now += absl::Seconds(5);
  EXPECT_EQ(world.set.Share(world.ids["new"], world.now), 0.5);
  EXPECT_TRUE(world.set.SharesDiffer(world.now));
  world.now += absl::Seconds(5);
  EXPECT_EQ(world.set.Share(world.ids["new"], world.now), 1);
  EXPECT_FALSE(world.set.SharesDiffer(world.now));
}

TEST(EndpointSetTest, ASlowStartFollowsAnOutageAndNotARotation) {
  PoolOptions options;
  options.slow_start = absl::Seconds(10);
  World world({{"a"}, {"b"}}, options);
  world.OpenAt("a");
  world.now += absl::Minutes(1);
  world.CloseAt("a");  // Replaced.
  world.OpenAt("a");
  EXPECT_EQ(world.set.Share(world.ids["a"], world.now), 1);
  world.LoseAt("a");  // Its server restarts.
  world.OpenAt("a");
  EXPECT_EQ(world.set.Share(world.ids["a"], world.now), 0.1);
}

TEST(EndpointSetTest, ConnectionsOfUnequalEndpointsShareByWeight) {
  World world({{"a", 1}, {"b", 3}});
  world.OpenAt("a");
  world.OpenAt("b");
  world.OpenAt("b");
  EXPECT_EQ(world.set.Share(world.ids["b"], world.now) / world.set.Share(world.ids["a"], world.now), 1.5);
}

// --- Outliers -----------------------------------------------------------------------------------------------------

World Opened(int endpoints, PoolOptions options = PoolOptions()) {
  World world(Named(endpoints), options);
  for (int n = 0; n < endpoints; ++n) world.Open();
  world.Tick();
  return world;
}
const char kBad[] = "10.0.0.0:50051";

TEST(EndpointSetTest, FiveFailuresInARowEject) {
  World world = Opened(2);
  world.Calls(kBad, 0, 4, 1, 4);
  EXPECT_THAT(world.Tick(), IsEmpty());
  world.Calls(kBad, 0, 1, 1, 5);
  EXPECT_THAT(world.Tick(), ElementsAre(kBad));
  EXPECT_EQ(world.At(kBad).state, EndpointState::kEjected);
  EXPECT_EQ(world.At(kBad).why, "5 calls in a row failed");
  EXPECT_EQ(world.At(kBad).until, world.now + absl::Seconds(30));
  EXPECT_NE(world.Next(), kBad);
}

TEST(EndpointSetTest, AConnectionThatAnswersBreaksTheRowOfItsEndpoint) {
  World world = Opened(2);
  world.Calls(kBad, 0, 10, 1, 10);
  world.Calls(kBad, 3, 0, 1, 0);  // Another connection of it.
  EXPECT_THAT(world.Tick(), IsEmpty());
}

TEST(EndpointSetTest, ARowGoesOnAfterTheLastAnswer) {
  World world = Opened(2);
  world.Calls(kBad, 20, 6, 1, 6);
  EXPECT_THAT(world.Tick(), ElementsAre(kBad));
}

TEST(EndpointSetTest, ASuccessRateFarBelowTheOthersEjects) {
  World world = Opened(10);
  for (const Endpoint& e : Named(10)) world.Calls(e.address, e.address == kBad ? 80 : 99, e.address == kBad ? 20 : 1);
  EXPECT_THAT(world.Tick(absl::Seconds(9)), IsEmpty()) << "before the interval is over";
  EXPECT_THAT(world.Tick(absl::Seconds(1)), ElementsAre(kBad));
  EXPECT_EQ(world.At(kBad).why, "80.0 % of 100 calls succeeded, 97.1 % in the mean of 10 endpoints");
}

TEST(EndpointSetTest, ASuccessRateOfFewCallsOrFewEndpointsSaysNothing) {
  World few_calls = Opened(10);
  for (const Endpoint& e : Named(10))
    few_calls.Calls(e.address, e.address == kBad ? 49 : 99, e.address == kBad ? 50 : 0);
  EXPECT_THAT(few_calls.Tick(absl::Seconds(10)), IsEmpty());
  World few_endpoints = Opened(4);
  for (const Endpoint& e : Named(4))
    few_endpoints.Calls(e.address, e.address == kBad ? 50 : 100, e.address == kBad ? 50 : 0);
  EXPECT_THAT(few_endpoints.Tick(absl::Seconds(10)), IsEmpty());
}

TEST(EndpointSetTest, WhenAllFailAlikeNobodyIsAnOutlier) {
  World world = Opened(10);
  for (const Endpoint& e : Named(10)) world.Calls(e.address, 50, 50);
  EXPECT_THAT(world.Tick(absl::Seconds(10)), IsEmpty());
}

TEST(EndpointSetTest, AnEndpointThreeTimesAsSlowAsTheMedianIsEjected) {
  World world = Opened(3);
  for (const Endpoint& e : Named(3)) world.Calls(e.address, 100, 0, e.address == kBad ? 61 : 20);
  EXPECT_THAT(world.Tick(absl::Seconds(10)), ElementsAre(kBad));
  EXPECT_EQ(world.At(kBad).why, "100 calls took 61.0ms in the mean, the median endpoint 20.0ms");
}

TEST(EndpointSetTest, SlownessThatDoesNotMatterOrHasNoCohortDoesNotEject) {
  World fast = Opened(3);
  for (const Endpoint& e : Named(3)) fast.Calls(e.address, 100, 0, e.address == kBad ? 20 : 1);
  EXPECT_THAT(fast.Tick(absl::Seconds(10)), IsEmpty()) << "20 ms";
  World thrice = Opened(3);
  for (const Endpoint& e : Named(3)) thrice.Calls(e.address, 100, 0, e.address == kBad ? 60 : 20);
  EXPECT_THAT(thrice.Tick(absl::Seconds(10)), IsEmpty()) << "three times";
  World pair = Opened(2);
  for (const Endpoint& e : Named(2)) pair.Calls(e.address, 100, 0, e.address == kBad ? 900 : 1);
  EXPECT_THAT(pair.Tick(absl::Seconds(10)), IsEmpty()) << "a cohort of two";
}

TEST(EndpointSetTest, AtMostOneInTenIsEjectedAtATimeAndAtLeastOneMayBe) {
  for (const auto& [endpoints, may] : std::vector<std::pair<int, size_t>>{{2, 1}, {9, 1}, {20, 2}, {29, 2}}) {
    World world = Opened(endpoints);
    for (const Endpoint& e : Named(endpoints - 1)) world.Calls(e.address, 0, 50, 1, 50);
    EXPECT_EQ(world.Tick().size(), may) << endpoints;
  }
}

TEST(EndpointSetTest, TheLastHealthyEndpointIsNeverEjected) {
  PoolOptions options;
  options.max_ejected = 1;
  World world = Opened(3, options);
  for (const Endpoint& e : Named(3)) world.Calls(e.address, 0, 50, 1, 50);
  EXPECT_EQ(world.Tick().size(), 2u);
  World alone = Opened(1, options);
  alone.Calls(kBad, 0, 50, 1, 50);
  EXPECT_THAT(alone.Tick(), IsEmpty());
  // Another that has no connection open does not count.
  World other_closed(Named(2), options);
  other_closed.OpenAt(kBad);
  other_closed.Calls(kBad, 0, 50, 1, 50);
  EXPECT_THAT(other_closed.Tick(), IsEmpty());
}

TEST(EndpointSetTest, AnEjectionEndsAndEachNextLastsLonger) {
  PoolOptions options;
  options.ejection_time = absl::Seconds(10);
  World world = Opened(2, options);
  for (const absl::Duration lasts : {absl::Seconds(10), absl::Seconds(20), absl::Seconds(30)}) {
    world.Calls(kBad, 0, 5, 1, 5);
    ASSERT_THAT(world.Tick(), ElementsAre(kBad));
    EXPECT_EQ(world.At(kBad).until - world.now, lasts);
    EXPECT_THAT(world.Tick(lasts - absl::Nanoseconds(1)), IsEmpty());
    EXPECT_EQ(world.At(kBad).state, EndpointState::kEjected);
    world.Tick(absl::Nanoseconds(1));
    EXPECT_EQ(world.At(kBad).state, EndpointState::kHealthy);
    EXPECT_EQ(world.Open(), kBad) << "it has fewest connections";
  }
  EXPECT_EQ(world.At(kBad).ejections, 3u);
}

TEST(EndpointSetTest, ATimeWithoutEjectionForgetsTheOnesBefore) {
  World world = Opened(2);
  world.Calls(kBad, 0, 5, 1, 5);
  world.Tick();
  for (int n = 0; n < 6; ++n) world.Tick(absl::Seconds(10));
  world.Open();
  world.Calls(kBad, 0, 5, 1, 5);
  ASSERT_THAT(world.Tick(), ElementsAre(kBad));
  EXPECT_EQ(world.At(kBad).until - world.now, absl::Seconds(30));
}

TEST(EndpointSetTest, NoEjectionLastsLongerThanFiveMinutes) {
  World world = Opened(2);
  for (int n = 0; n < 20; ++n) {
    world.Calls(kBad, 0, 5, 1, 5);
    ASSERT_THAT(world.Tick(), ElementsAre(kBad));
    const absl::Duration lasts = world.At(kBad).until - world.now;
    EXPECT_EQ(lasts, std::min(absl::Seconds(30) * (n + 1), absl::Minutes(5)));
    world.now += lasts;
    world.Tick();
    world.Open();
  }
}

TEST(EndpointSetTest, TheEjectedReturnWhenNothingElseIsLeft) {
  World world = Opened(2);
  world.Calls(kBad, 0, 5, 1, 5);
  ASSERT_THAT(world.Tick(), ElementsAre(kBad));
  const std::string other = Named(2)[1].address;
  world.FailAt(other);  // Of two dials: its open connection still carries calls.
  EXPECT_EQ(world.At(kBad).state, EndpointState::kEjected);
  world.LoseAt(other);
  EXPECT_EQ(world.At(kBad).state, EndpointState::kHealthy);
  EXPECT_EQ(world.Next(), kBad);
}

TEST(EndpointSetTest, TheEjectedReturnWhenTheOthersAreRemoved) {
  World world = Opened(2);
  world.Calls(kBad, 0, 5, 1, 5);
  ASSERT_THAT(world.Tick(), ElementsAre(kBad));
  world.Update({{kBad}});
  EXPECT_EQ(world.At(kBad).state, EndpointState::kHealthy);
}

TEST(EndpointSetTest, AddressesThatStandForOtherServersAreNotEjected) {
  World world = Opened(3);
  world.Calls(kBad, 0, 5, 1, 5);
  ASSERT_THAT(world.Tick(), ElementsAre(kBad));
  world.Calls("10.0.0.1:50051", 0, 4, 1, 4);
  world.Tick();
  world.set.ForgetFailures();
  EXPECT_EQ(world.At(kBad).state, EndpointState::kHealthy);
  world.OpenAt(kBad);
  world.Calls("10.0.0.1:50051", 0, 1, 1, 1);
  EXPECT_THAT(world.Tick(), IsEmpty()) << "the row began anew";
}

TEST(EndpointSetTest, WithMaxEjectedZeroNobodyIsEjected) {
  PoolOptions options;
  World world = Opened(2, options);
  world.Calls(kBad, 0, 5, 1, 5);
  ASSERT_THAT(world.Tick(), ElementsAre(kBad));
  options.max_ejected = 0;
  world.set.Configure(options, world.now);
  EXPECT_EQ(world.At(kBad).state, EndpointState::kHealthy);
  world.OpenAt(kBad);
  world.Calls(kBad, 0, 5, 1, 5);
  EXPECT_THAT(world.Tick(), IsEmpty());
}

TEST(EndpointSetTest, CallsAndFailuresAreCountedForEver) {
  World world = Opened(2);
  world.Calls(kBad, 90, 10);
  world.Tick(absl::Seconds(10));
  world.Calls(kBad, 10, 0);
  world.FailAt(kBad);
  EXPECT_EQ(world.At(kBad).calls, 110u);
  EXPECT_EQ(world.At(kBad).failures, 10u);
  EXPECT_EQ(world.At(kBad).time_of_answered, absl::Milliseconds(100));
  EXPECT_EQ(world.At(kBad).dial_failures, 1u);
}

TEST(CallOutcomeTest, SaysWhatACodeTellsOfTheServer) {
  EXPECT_EQ(OutcomeOf(absl::StatusCode::kOk), CallOutcome::kAnswered);
  EXPECT_EQ(OutcomeOf(absl::StatusCode::kNotFound), CallOutcome::kAnswered);
  EXPECT_EQ(OutcomeOf(absl::StatusCode::kUnimplemented), CallOutcome::kAnswered);
  EXPECT_EQ(OutcomeOf(absl::StatusCode::kInternal), CallOutcome::kFailed);
  EXPECT_EQ(OutcomeOf(absl::StatusCode::kDeadlineExceeded), CallOutcome::kFailed);
  EXPECT_EQ(OutcomeOf(absl::StatusCode::kUnavailable), CallOutcome::kUnavailable);
  EXPECT_EQ(OutcomeOf(absl::StatusCode::kResourceExhausted), CallOutcome::kOverloaded);
  EXPECT_EQ(OutcomeOf(absl::StatusCode::kCancelled), CallOutcome::kUnknown);
}

}  // namespace
}  // namespace chanpool
