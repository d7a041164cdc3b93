// The part of YAML that configuration files may use, as a tree with places. yaml-cpp finds the tokens; it alone would
// also let through duplicate documents, aliases that explode, tags, and bytes that are no text.
//
//   absl::optional<YamlNode> root = ParseYaml(text, errors);
//   if (root.has_value()) for (size_t i = 0; i < root->children.size(); i += 2) ... root->children[i].text ...
//
// Values have no types here: whoever knows the schema reads `text`.
#ifndef CHANPOOL_SERVER_CONFIG_YAML_TREE_H_
#define CHANPOOL_SERVER_CONFIG_YAML_TREE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "server/config/diagnostics.h"

namespace chanpool::config {

inline constexpr size_t kMaxConfigBytes = 1 << 20;
inline constexpr size_t kMaxYamlDepth = 32;
inline constexpr size_t kMaxYamlNodes = 100000;

struct YamlNode {
  enum class Kind {
    kNull,      // Nothing, ~ or null.
    kScalar,    // `text`
    kSequence,  // `children`
    kMap,       // `children`: key, value, key, value, ...
    kRefused,   // An alias or a tagged scalar; already told.
  };
  Kind kind = Kind::kNull;
  Place place;
  std::string text;
  bool plain = false;  // Written without quotes.
  std::vector<YamlNode> children;
};

// nullopt, and at least one error, when there is no tree: not UTF-8, a byte order mark, control characters and tabs,
// above a limit, no or a second document, or no YAML. Otherwise a tree, perhaps with errors: anchors, aliases, tags.
absl::optional<YamlNode> ParseYaml(absl::string_view text, Diagnostics& errors);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_YAML_TREE_H_
