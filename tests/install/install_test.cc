// What `make install` installs, used as a team without Bazel uses it: by CMake and by pkg-config, out of a folder that
// is not the one that it was installed for, so nothing in it may name that.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "examples/demo/upstream_process.h"
#include "examples/processes/program.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace chanpool {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kScript[] = "scripts/install_chanpool.sh";
constexpr char kTree[] = "install/tree";
// For a build, on a machine that is busy with others.
constexpr absl::Duration kBuildLimit = absl::Minutes(3);

std::string Read(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The permissions, as in 0644.
mode_t ModeOf(const std::string& path) {
  struct stat file {};
  EXPECT_EQ(stat(path.c_str(), &file), 0) << path;
  return file.st_mode & 07777;
}

class InstallTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    staged_ = new TemporaryFolder;
    const Finished installed = RunToEnd({kScript, "/opt/chanpool", kTree}, {absl::StrCat("DESTDIR=", staged_->path())});
    ASSERT_EQ(installed.exit, 0) << installed.err;
    // The examples alone: not the tree's headers beside them, nor Bazel's links.
    fs::create_directories(Source());
    fs::copy("examples", Source() + "/examples", fs::copy_options::recursive);
  }
  static void TearDownTestSuite() {
    delete staged_;
    staged_ = nullptr;
  }

  static std::string Prefix() { return staged_->path() + "/opt/chanpool"; }
  static std::string Build() { return staged_->path() + "/build"; }
  static std::string Source() { return staged_->path() + "/source"; }
  // Every installed file below `folder`, by its path from there.
  static std::vector<std::string> Files(const std::string& folder) {
    std::vector<std::string> files;
    const fs::path from = Prefix() + "/" + folder;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(from)) {
      if (entry.is_regular_file()) files.push_back(entry.path().lexically_relative(from).string());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  // Configures with CMake; the output of both streams.
  static Finished Configure(const std::string& source, const std::string& build, std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"/usr/bin/cmake", "-S", source, "-B", build, "-DCMAKE_PREFIX_PATH=" + Prefix()});
    return RunToEnd(more, {}, kBuildLimit);
  }
  // Configures and builds tests/install/CMakeLists.txt, once for all tests.
  static const Finished& CMakeBuild() {
    static const Finished built = [] {
      std::string all;
      for (const std::string& header : Files("include/chanpool")) absl::StrAppend(&all, "#include \"", header, "\"\n");
      const Finished configured = Configure(
          "tests/install", Build(), {"-DEXAMPLES=" + Source(), "-DHEADERS=" + staged_->Write("every_header.cc", all)});
      if (configured.exit != 0) return configured;
      return RunToEnd({"/usr/bin/cmake", "--build", Build(), "--parallel", "2"}, {}, kBuildLimit);
    }();
    return built;
  }
  static Finished Bash(const std::string& command) {
    return RunToEnd({"/bin/bash", "-c", command},
                    {"PREFIX=" + Prefix(), "PKG_CONFIG_PATH=" + Prefix() + "/lib/pkgconfig"}, kBuildLimit);
  }

  static TemporaryFolder* staged_;
};

TemporaryFolder* InstallTest::staged_ = nullptr;

TEST_F(InstallTest, PutsEachFileWhereItIsLookedFor) {
  EXPECT_THAT(Files("bin"), ElementsAre("chanpoold", "poolctl"));
  EXPECT_THAT(Files("lib"),
              ElementsAre("cmake/chanpool/chanpoolConfig.cmake", "cmake/chanpool/chanpoolConfigVersion.cmake",
                          "libchanpool.a", "pkgconfig/chanpool.pc"));
  EXPECT_THAT(Files("share"), ElementsAre("bash-completion/completions/poolctl",
                                          "fish/vendor_completions.d/poolctl.fish", "zsh/site-functions/_poolctl"));
  EXPECT_EQ(ModeOf(Prefix() + "/bin/poolctl"), 0755);
  EXPECT_EQ(ModeOf(Prefix() + "/lib/libchanpool.a"), 0644);
  EXPECT_EQ(ModeOf(Prefix() + "/lib/cmake"), 0755);
}

TEST_F(InstallTest, InstallsThePublicHeadersAndNoneThatTheyDoNotNeed) {
  const std::vector<std::string> headers = Files("include/chanpool");
  EXPECT_THAT(headers, IsSupersetOf({"pool/grpc/channel_pool.h", "pool/core/pool.h", "pool/testing/fake_clock.h",
                                     "server/attach/attachment.h", "client/admin/admin_client.h"}));
  EXPECT_THAT(headers, Each(Not(AnyOf("pool/grpc/channel_access.h", StartsWith("client/cli/"),
                                      StartsWith("server/sidecar/"), StartsWith("tests/")))));
  EXPECT_THAT(Files("include"), SizeIs(headers.size())) << "a header beside include/chanpool";
}

TEST_F(InstallTest, CMakeBuildsTheQuickstartAndItsCallIsAnswered) {
  ASSERT_EQ(CMakeBuild().exit, 0) << CMakeBuild().out << CMakeBuild().err;
  const auto server = demo::UpstreamProcess::Start("examples/demo/upstream", 100);
  ASSERT_TRUE(server.ok()) << server.status();

  const Finished ran = RunToEnd({Build() + "/quickstart/quickstart", (*server)->target()});

  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("answered; connections open: 1"));
}

TEST_F(InstallTest, PkgConfigBuildsTheQuickstartAndItsCallIsAnswered) {
  const Finished built = Bash(absl::StrCat("CXXFLAGS=-O0 make -C ", Source(), "/examples/quickstart"));
  ASSERT_EQ(built.exit, 0) << built.out << built.err;
  const auto server = demo::UpstreamProcess::Start("examples/demo/upstream", 100);
  ASSERT_TRUE(server.ok()) << server.status();

  const Finished ran = RunToEnd({Source() + "/examples/quickstart/out/quickstart", (*server)->target()});

  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("answered; connections open: 1"));
}

TEST_F(InstallTest, AServiceBuiltAgainstItAttachesToTheInstalledSidecar) {
  ASSERT_EQ(CMakeBuild().exit, 0) << CMakeBuild().out << CMakeBuild().err;
  const std::string admin = staged_->path() + "/admin.sock";
  const std::string attach = staged_->path() + "/attach.sock";
  Program sidecar({Prefix() + "/bin/chanpoold", "--config",
                   staged_->Write("chanpoold.yaml", absl::StrCat("version: 1\nadmin: {listeners: [{uds: {path: ", admin,
                                                                 "}}]}\nattach: {uds: {path: ", attach, "}}\n"))});
  ASSERT_TRUE(sidecar.AwaitOutput(" ready")) << sidecar.output();
  const auto server = demo::UpstreamProcess::Start("examples/demo/upstream", 100);
  ASSERT_TRUE(server.ok()) << server.status();
  Program service({Build() + "/microservice", "--orders=" + (*server)->target(), "--attach=" + attach});

  EXPECT_TRUE(service.AwaitOutput("attached")) << service.output();
  EXPECT_TRUE(service.AwaitOutput("in_flight=")) << service.output();  // A line a second, of calls that were made.
  const Finished pools = RunToEnd({Prefix() + "/bin/poolctl", "-e", "unix:" + admin, "get", "pools"});
  EXPECT_THAT(pools.out, HasSubstr("shop/orders")) << pools.err;
  service.Signal(SIGTERM);
  EXPECT_EQ(service.AwaitExit(), 0);
  EXPECT_THAT(service.output(), HasSubstr("failed=0"));
}

TEST_F(InstallTest, ThePackageFilesNameAllThatEveryHeaderAndObjectNeeds) {
  ASSERT_EQ(CMakeBuild().exit, 0) << CMakeBuild().out << CMakeBuild().err;
  EXPECT_TRUE(fs::exists(Build() + "/libeverything.so"));
  const Finished linked = Bash(absl::StrCat("g++ -shared -o ", staged_->path(),
                                            "/all.so -Wl,--no-undefined -Wl,--whole-archive $PREFIX/lib/libchanpool.a ",
                                            "-Wl,--no-whole-archive $(pkg-config --libs chanpool)"));
  EXPECT_EQ(linked.exit, 0) << linked.err;
}

TEST_F(InstallTest, CMakeRefusesVersionsThatDoNotFit) {
  const auto configure = [](const std::string& name, const std::string& asked, std::vector<std::string> more = {}) {
    const std::string source = staged_->path() + "/" + name;
    fs::create_directories(source);
    staged_->Write(name + "/CMakeLists.txt",
                   absl::StrCat("cmake_minimum_required(VERSION 3.19)\nproject(asks CXX)\nfind_package(chanpool ",
                                asked, " REQUIRED)\n"));
    return Configure(source, source + "/build", more);
  };
  EXPECT_EQ(configure("same", "0.1").exit, 0);
  EXPECT_EQ(configure("range", "0.1...<0.2").exit, 0);
  EXPECT_EQ(configure("any", "").exit, 0);
  EXPECT_THAT(configure("later", "0.2").err, HasSubstr("compatible with requested version \"0.2\""));
  EXPECT_THAT(configure("earlier", "0.0").err, HasSubstr("compatible with requested version \"0.0\""));
  EXPECT_THAT(configure("below", "0.0...<0.1").err, HasSubstr("compatible with requested version"));

  fs::create_directories(staged_->path() + "/grpc");
  staged_->Write("grpc/gRPCConfig.cmake", "");
  staged_->Write("grpc/gRPCConfigVersion.cmake", "set(PACKAGE_VERSION 1.60.0)\n");
  EXPECT_THAT(configure("grpc_of_today", "0.1", {absl::StrCat("-DgRPC_DIR=", staged_->path(), "/grpc")}).err,
              HasSubstr("is built for gRPC 1.51"));
}

TEST_F(InstallTest, PkgConfigRefusesAnotherGrpc) {
  EXPECT_EQ(Bash("pkg-config --exists chanpool").exit, 0);
  fs::create_directories(staged_->path() + "/later");
  staged_->Write("later/grpc++.pc", "Name: gRPC++\nDescription: of another time\nVersion: 1.60.0\n");
  const Finished refused = Bash(absl::StrCat("PKG_CONFIG_PATH=", staged_->path(),
                                             "/later:$PKG_CONFIG_PATH pkg-config --print-errors --exists chanpool"));
  EXPECT_NE(refused.exit, 0);
  EXPECT_THAT(refused.err, HasSubstr("grpc++ < 1.52"));
}

TEST_F(InstallTest, CompletesWhatThePoolctlBesideItKnows) {
  const Finished completed = Bash(
      "PATH=$PREFIX/bin:$PATH; source $PREFIX/share/bash-completion/completions/poolctl; "
      "complete -p poolctl; COMP_WORDS=(poolctl dra); COMP_CWORD=1; _poolctl; echo \"offers ${COMPREPLY[*]}\"");
  EXPECT_THAT(completed.out, AllOf(HasSubstr("-F _poolctl poolctl"), HasSubstr("offers drain")));
  const std::string poolctl = Prefix() + "/bin/poolctl";
  const std::string zsh = Read(Prefix() + "/share/zsh/site-functions/_poolctl");
  EXPECT_THAT(zsh, StartsWith("#compdef poolctl"));
  EXPECT_EQ(zsh, RunToEnd({poolctl, "completion", "zsh"}).out);
  const std::string fish = Read(Prefix() + "/share/fish/vendor_completions.d/poolctl.fish");
  EXPECT_THAT(fish, HasSubstr("complete -c poolctl"));
  EXPECT_EQ(fish, RunToEnd({poolctl, "completion", "fish"}).out);
}

TEST_F(InstallTest, SaysOneVersionEverywhere) {
  const Finished asked = Bash("pkg-config --modversion chanpool");
  ASSERT_EQ(asked.exit, 0) << asked.err;
  const std::string version(absl::StripSuffix(asked.out, "\n"));
  ASSERT_THAT(version, MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(RunToEnd({Prefix() + "/bin/poolctl", "--version"}).out, StartsWith("poolctl " + version + "\n"));
  EXPECT_THAT(RunToEnd({Prefix() + "/bin/chanpoold", "--version"}).out, StartsWith("chanpoold " + version + "\n"));
  EXPECT_THAT(Read(Prefix() + "/lib/cmake/chanpool/chanpoolConfigVersion.cmake"),
              HasSubstr(absl::StrCat("set(PACKAGE_VERSION \"", version, "\")")));
}

TEST_F(InstallTest, RefusesAPlaceThatCannotBeWrittenAndSaysWhatToDo) {
  const std::string file = staged_->Write("file", "");
  const Finished unwritable = RunToEnd({kScript, file + "/below", kTree});
  EXPECT_NE(unwritable.exit, 0);
  EXPECT_THAT(unwritable.err, AllOf(HasSubstr(file + "/below/bin cannot be written"), HasSubstr("Not a directory"),
                                    HasSubstr("make install PREFIX=")));
  const Finished relative = RunToEnd({kScript, "somewhere", kTree});
  EXPECT_NE(relative.exit, 0);
  EXPECT_THAT(relative.err, HasSubstr("PREFIX is \"somewhere\"; it must be an absolute path"));
  const Finished empty = RunToEnd({kScript, staged_->path() + "/elsewhere", Source()});
  EXPECT_NE(empty.exit, 0);
  EXPECT_THAT(empty.err, HasSubstr("is not what 'bazel build //install' makes"));
}

}  // namespace
}  // namespace chanpool
