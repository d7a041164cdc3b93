// The rules about source files that a compiler does not check: who may include whom, and which names are kept out.
//
//   for (const Finding& finding : Check(files)) std::cout << finding.ToString() << "\n";
//
// Comments and string literals are no code: a rule finds nothing in them.
#ifndef CHANPOOL_TESTS_TIDY_RULES_H_
#define CHANPOOL_TESTS_TIDY_RULES_H_

#include <map>
#include <string>
#include <vector>

namespace chanpool::tidy {

// Path from the root of the tree, with '/', to the file's text. Of interest are .h, .cc and BUILD.bazel.
using Files = std::map<std::string, std::string>;

// One place that breaks one rule.
struct Finding {
  std::string path;
  int line = 1;
  std::string rule;     // One word: "arrow", "clock", ...
  std::string message;  // What is there, and what to write in its place.

  std::string ToString() const;  // "pool/core/pool.cc:12: clock: ..."
};

// Everything found, by path and line.
std::vector<Finding> Check(const Files& files);

}  // namespace chanpool::tidy
#endif  // CHANPOOL_TESTS_TIDY_RULES_H_
