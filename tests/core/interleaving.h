// Every order in which the steps of a few actors can happen, each state visited once.
//
//   Exploration found = Explore(model, /*max_states=*/1'000'000);
//   EXPECT_EQ(found.harm, "") << found.trace;
//
// A model has a value type State without padding (its bytes are its identity) and these functions:
//   State Start() const;
//   void ForEachNext(const State&, visit) const;                 calls visit(next, actor) for each step that can happen
//   std::string Harm(const State&, bool nobody_can_move) const;  empty when all is well
//   std::string Describe(const State& before, const State& after, int actor) const;    one step, for people
// The search goes breadth first, so the trace to a harm is a shortest one.
#ifndef CHANPOOL_TESTS_CORE_INTERLEAVING_H_
#define CHANPOOL_TESTS_CORE_INTERLEAVING_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <vector>

namespace chanpool {

struct Exploration {
  size_t states = 0;      // Different ones.
  size_t ends = 0;        // Those in which nobody can move.
  bool complete = false;  // All were visited: no harm ended the search, and max_states was enough.
  std::string harm;       // Of the first state that has one.
  std::string trace;      // The steps that lead there, one per line.
};

template <typename Model>
Exploration Explore(const Model& model, size_t max_states) {
  using State = typename Model::State;
  static_assert(std::is_trivially_copyable_v<State>, "a state is its bytes");
  static_assert(std::has_unique_object_representations_v<State>, "padding would make equal states differ");
  static_assert(sizeof(State) % sizeof(uint64_t) == 0, "hashed by words");
  struct Node {
    State state;
    uint32_t from;
    int actor;
  };
  std::deque<Node> nodes;  // In the order of discovery, which is the queue of the search.
  const auto hash = [&nodes](uint32_t i) {
    const char* bytes = reinterpret_cast<const char*>(&nodes[i].state);
    uint64_t h = 0x9e3779b97f4a7c15ull;
    for (size_t at = 0; at < sizeof(State); at += sizeof(uint64_t)) {
      uint64_t word;
      std::memcpy(&word, bytes + at, sizeof(word));
      h = (h ^ word) * 0xbf58476d1ce4e5b9ull;
      h ^= h >> 29;
    }
    return static_cast<size_t>(h);
  };
  const auto equal = [&nodes](uint32_t i, uint32_t j) {
    return std::memcmp(&nodes[i].state, &nodes[j].state, sizeof(State)) == 0;
  };
  std::unordered_set<uint32_t, decltype(hash), decltype(equal)> known(1 << 12, hash, equal);
  const auto discover = [&](const State& state, uint32_t from, int actor) {
    nodes.push_back({state, from, actor});
    if (!known.insert(static_cast<uint32_t>(nodes.size() - 1)).second) nodes.pop_back();
  };

  Exploration found;
  discover(model.Start(), 0, -1);
  for (uint32_t at = 0; at < nodes.size(); ++at) {
    if (nodes.size() > max_states) return found;
    const State state = nodes[at].state;
    bool somebody_moved = false;
    model.ForEachNext(state, [&](const State& next, int actor) {
      somebody_moved = true;
      discover(next, at, actor);
    });
    found.states = nodes.size();
    found.ends += !somebody_moved;
    found.harm = model.Harm(state, !somebody_moved);
    if (found.harm.empty()) continue;
    for (uint32_t node = at; node != 0; node = nodes[node].from) {
      found.trace = "  " + model.Describe(nodes[nodes[node].from].state, nodes[node].state, nodes[node].actor) + "\n" +
                    found.trace;
    }
    return found;
  }
  found.complete = true;
  return found;
}

}  // namespace chanpool
#endif  // CHANPOOL_TESTS_CORE_INTERLEAVING_H_
