// Holds the rules of rules.h against every source file of this checkout, committed or not.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"
#include "tests/tidy/rules.h"

namespace chanpool::tidy {
namespace {

namespace fs = std::filesystem;

// In the test's directory WORKSPACE is a link; the tree is where the real one is.
fs::path SourceRoot() { return fs::canonical("WORKSPACE").parent_path(); }

bool IsPartOfTheTree(const fs::directory_entry& entry) {
  const std::string name = entry.path().filename();
  // Links are bazel-bin and its like; hidden folders are .git and editors'; node_modules is what npm installs.
  return !entry.is_symlink() && name[0] != '.' && name != "node_modules";
}

Files ReadTree(const fs::path& root) {
  Files files;
  fs::recursive_directory_iterator entries(root);
  for (const fs::directory_entry& entry : entries) {
    if (!IsPartOfTheTree(entry)) {
      if (entry.is_directory()) entries.disable_recursion_pending();
      continue;
    }
    const fs::path& path = entry.path();
    if (!entry.is_regular_file()) continue;
    if (path.extension() != ".cc" && path.extension() != ".h" && path.filename() != "BUILD.bazel") continue;
    std::ifstream in(path);
    files[path.lexically_relative(root)] = std::string(std::istreambuf_iterator<char>(in), {});
  }
  return files;
}

TEST(TidyTest, SourceTreeKeepsTheRules) {
  const Files files = ReadTree(SourceRoot());

  // A tree without this very file is not the source tree, and would keep every rule.
  ASSERT_EQ(files.count("tests/tidy/tidy_test.cc"), 1u) << "looked in " << SourceRoot();
  for (const Finding& finding : Check(files)) ADD_FAILURE() << finding.ToString();
}

}  // namespace
}  // namespace chanpool::tidy
