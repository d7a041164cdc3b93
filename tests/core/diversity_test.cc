// Which connection is dialled anew, against balancers that draw at random, stick, or have one backend only.
#include "pool/core/diversity.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace chanpool {
namespace {

// Connections behind a balancer, looked at once a second, whose first calls tell a second later where they are.
class World {
 public:
  World(int connections, std::function<int()> balancer) : balancer_(std::move(balancer)) {
    diversity_.SetBudget(kDefaultRerollsPerMinute);
    for (int i = 0; i < connections; ++i) Connect();
  }

  void Run(absl::Duration time) {
    for (const absl::Time end = now_ + time; now_ < end; now_ += absl::Seconds(1)) Tick();
  }
  void Tick() {
    std::vector<Diversity::Placed> placed;
    for (const auto& [slot, connection] : connections_) {
      placed.push_back({slot, &connection.backend, /*leases=*/0, connection.opened_at});
    }
    const Diversity::Choice choice = diversity_.Choose(placed, now_);
    if (!choice.slot.has_value()) return;
    begun_.push_back(now_);
    diversity_.OnBegun(next_, choice, now_);
    diversity_.OnLeft(*choice.slot, connections_[*choice.slot].backend, /*lost=*/false, now_);
    connections_.erase(*choice.slot);
    Connect();
  }

  std::map<std::string, int> counts() const {
    std::map<std::string, int> counts;
    for (const auto& [slot, connection] : connections_) ++counts[connection.backend];
    return counts;
  }
  int distinct() const { return static_cast<int>(counts().size()); }
  int rerolls() const { return static_cast<int>(begun_.size()); }
  // The most that began within any minute.
  int most_in_a_minute() const {
    int most = 0;
    for (size_t from = 0, to = 0; to < begun_.size(); ++to) {
      while (begun_[to] - begun_[from] >= absl::Minutes(1)) ++from;
      most = std::max(most, static_cast<int>(to - from + 1));
    }
    return most;
  }

 private:
  struct Connection {
    std::string backend;
    absl::Time opened_at;
  };
  void Connect() {
    const std::string backend = absl::StrCat("b", balancer_());
    const int others = counts()[backend];
    connections_[next_] = {backend, now_};
    diversity_.OnLanded(next_++, backend, others, now_);
  }

  const std::function<int()> balancer_;
  Diversity diversity_;
  absl::Time now_ = absl::UnixEpoch();
  uint32_t next_ = 0;
  std::map<uint32_t, Connection> connections_;
  std::vector<absl::Time> begun_;
};

std::function<int()> AtRandom(int backends, uint64_t seed) {
  return [backends, random = std::mt19937_64(seed)]() mutable {
    return std::uniform_int_distribution<int>(0, backends - 1)(random);
  };
}

TEST(DiversityTest, ComesToAsManyBackendsAsThereAreConnectionsOrBackends) {
  for (const auto& [backends, connections] : std::vector<std::pair<int, int>>{{3, 3}, {3, 10}, {10, 10}, {10, 4}}) {
    SCOPED_TRACE(absl::StrCat(backends, " backends, ", connections, " connections"));
    int all = 0;
    for (uint64_t seed = 1; seed <= 100; ++seed) {
      World world(connections, AtRandom(backends, seed));
      world.Run(absl::Minutes(30));
      all += world.distinct() == std::min(backends, connections);
      EXPECT_LE(world.most_in_a_minute(), kDefaultRerollsPerMinute);
    }
    EXPECT_GE(all, 95);  // The others were given up, against dice that would have shown one backend more.
  }
}

TEST(DiversityTest, LeavesABackendThatHadThemAllWithinMinutes) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    // While the first connections came, the others were being deployed.
    World world(6, [n = 0, random = AtRandom(3, seed)]() mutable { return n++ < 6 ? 0 : random(); });
    world.Run(absl::Minutes(10));
    EXPECT_EQ(world.distinct(), 3);
  }
}

TEST(DiversityTest, RestsOnceTheSpreadIsEven) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    World world(9, AtRandom(3, seed));
    world.Run(absl::Hours(1));
    const int before = world.rerolls();
    world.Run(absl::Hours(10));
    // The budget is 360 an hour. What is left is a look every 10 minutes for a backend that is new, and its repair.
    EXPECT_LE(world.rerolls() - before, 10 * 30);
  }
}

TEST(DiversityTest, GivesUpForLongerAndLongerWhereThereIsOneBackend) {
  World world(5, [] { return 0; });
  world.Run(absl::Minutes(1));
  EXPECT_EQ(world.rerolls(), 6);  // 3 x (1 known + 1).
  world.Run(absl::Minutes(59));
  EXPECT_EQ(world.rerolls(), 6 + 8);  // After 1, 2, 4, 8 and then each 10 minutes.
}

TEST(DiversityTest, AConnectionWithABackendOfItsOwnStays) {
  int next = 0;
  World world(5, [&next] { return next++; });
  world.Run(absl::Hours(1));
  EXPECT_EQ(world.rerolls(), 0);
}

class DiversityChoiceTest : public testing::Test {
 protected:
  DiversityChoiceTest() { diversity_.SetBudget(6); }

  Diversity::Choice Choose(absl::Duration at = absl::ZeroDuration()) { return diversity_.Choose(placed_, now_ + at); }
  void Place(uint32_t slot, const std::string& backend, uint32_t leases = 0, int opened = 0) {
    placed_.push_back({slot, &*names_.insert(backend).first, leases, now_ - absl::Minutes(1) + absl::Seconds(opened)});
  }

  // So many re-rolls, one after the other, each of which lands where another connection is.
  void RerollInVain(uint32_t times) {
    for (uint32_t i = 0; i < times; ++i) {
      diversity_.OnBegun(10 + i, Choose(), now_);
      diversity_.OnLanded(10 + i, "a", /*others=*/1, now_);
    }
  }

  Diversity diversity_;
  std::set<std::string> names_;
  std::vector<Diversity::Placed> placed_;
  const absl::Time now_ = absl::UnixEpoch();
};

TEST_F(DiversityChoiceTest, TakesTheLeastBusyOfTheFullestBackendAndOfThoseTheOldest) {
  Place(0, "a", 0), Place(1, "b", 3, 0), Place(2, "b", 2, 5), Place(3, "b", 2, 4), Place(4, "a", 0);
  const Diversity::Choice choice = Choose();
  EXPECT_EQ(choice.slot, 3u);
  EXPECT_EQ(choice.backend, "b");
  EXPECT_EQ(choice.sharing, 3);
  EXPECT_EQ(choice.distinct, 2);
}

TEST_F(DiversityChoiceTest, ConnectionsThatAreReplacedAlreadyAreLeftAlone) {
  Place(0, "a"), Place(1, "a"), Place(2, "a");
  placed_[0].may_go = placed_[2].may_go = false;
  EXPECT_EQ(Choose().slot, 1u);
  placed_[1].may_go = false;
  EXPECT_EQ(Choose().slot, std::nullopt);
}

TEST_F(DiversityChoiceTest, OneAtATimeUntilItHasLandedOrAMinuteIsOver) {
  Place(0, "a"), Place(1, "a"), Place(2, "a");
  diversity_.OnBegun(9, Choose(), now_);
  EXPECT_EQ(Choose(absl::Seconds(59)).slot, std::nullopt);
  EXPECT_TRUE(Choose(absl::Seconds(61)).slot.has_value());

  diversity_.OnBegun(10, Choose(absl::Seconds(61)), now_ + absl::Seconds(61));
  EXPECT_EQ(Choose(absl::Seconds(62)).slot, std::nullopt);
  diversity_.OnLanded(10, "a", /*others=*/3, now_ + absl::Seconds(62));
  EXPECT_TRUE(Choose(absl::Seconds(62)).slot.has_value());

  diversity_.OnBegun(11, Choose(absl::Seconds(62)), now_ + absl::Seconds(62));
  diversity_.OnLeft(11, "", /*lost=*/false, now_ + absl::Seconds(63));  // Its dial failed.
  EXPECT_TRUE(Choose(absl::Seconds(63)).slot.has_value());
}

TEST_F(DiversityChoiceTest, SaysWhyNot) {
  Place(0, "a"), Place(1, "a");
  RerollInVain(5);
  diversity_.SetBudget(5);
  EXPECT_EQ(Choose().limit, Limit::kRerollBudget);
  EXPECT_EQ(Choose().limit_value, 5);
  EXPECT_EQ(Choose(absl::Minutes(1)).limit, Limit::kNothing);

  diversity_.OnBegun(20, Choose(absl::Minutes(1)), now_ + absl::Minutes(1));
  diversity_.OnLanded(20, "a", /*others=*/1, now_ + absl::Minutes(1));
  EXPECT_EQ(Choose(absl::Minutes(1)).limit, Limit::kNoGain);
  EXPECT_EQ(Choose(absl::Minutes(1)).limit_value, 60'000);

  diversity_.SetBudget(0);
  EXPECT_EQ(Choose(absl::Minutes(1)).limit, Limit::kRerollBudget);
  EXPECT_EQ(Choose(absl::Minutes(1)).limit_value, 0);
}

TEST_F(DiversityChoiceTest, AnEmptyBackendIsWorthTwoConnectionsUntilItIsLostOrForgotten) {
  Place(0, "a"), Place(1, "a");
  diversity_.OnLanded(2, "b", /*others=*/0, now_);
  EXPECT_TRUE(Choose().evens);

  diversity_.OnLeft(2, "b", /*lost=*/false, now_);
  EXPECT_TRUE(Choose(absl::Minutes(10)).evens);
  EXPECT_FALSE(Choose(absl::Minutes(11)).evens);

  diversity_.OnLanded(3, "b", /*others=*/0, now_ + absl::Minutes(11));
  EXPECT_TRUE(Choose(absl::Minutes(11)).evens);
  diversity_.OnLeft(3, "b", /*lost=*/true, now_ + absl::Minutes(11));
  EXPECT_FALSE(Choose(absl::Minutes(11)).evens);
}

TEST_F(DiversityChoiceTest, ABackendThatIsNewEndsTheWait) {
  Place(0, "a"), Place(1, "a");
  RerollInVain(6);
  diversity_.SetBudget(7);
  ASSERT_EQ(Choose(absl::Seconds(59)).limit, Limit::kNoGain);
  diversity_.OnLanded(2, "b", /*others=*/0, now_);
  Place(2, "b"), Place(3, "b");  // Even: what is thrown for is again a backend that nobody has seen.
  ASSERT_FALSE(Choose(absl::Seconds(59)).evens);
  EXPECT_TRUE(Choose(absl::Seconds(59)).slot.has_value());
}

TEST_F(DiversityChoiceTest, AnotherTargetBeginsAnew) {
  Place(0, "a"), Place(1, "a");
  diversity_.OnLanded(2, "b", /*others=*/0, now_);
  diversity_.OnBegun(10, Choose(), now_);
  diversity_.Forget();
  EXPECT_FALSE(Choose().evens);
  EXPECT_TRUE(Choose().slot.has_value());
}

TEST(DiversityNamesTest, ANameIsKeptPrintableAndBounded) {
  EXPECT_EQ(Diversity::Kept("orders-7 (zone a)"), "orders-7 (zone a)");
  EXPECT_EQ(Diversity::Kept("a\nb\xff"), "a?b?");
  EXPECT_EQ(Diversity::Kept(std::string(1000, 'x')), std::string(Diversity::kMaxBackendName, 'x'));
}

}  // namespace
}  // namespace chanpool
