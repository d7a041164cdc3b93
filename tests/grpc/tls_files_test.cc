#include "pool/grpc/tls_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "examples/processes/program.h"
#include "tests/fakes/eventually.h"
#include "tests/fakes/status_matchers.h"
#include "tests/fakes/test_certificates.h"

namespace chanpool {
namespace {

using ::chanpool::testing::Encrypted;
using ::chanpool::testing::In;
using ::chanpool::testing::IsOk;
using ::chanpool::testing::StatusIs;
using ::chanpool::testing::TestAuthority;
using ::chanpool::testing::TestPair;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using Change = TlsFiles::Change;

constexpr absl::Duration kDay = absl::Hours(24);

class TlsFilesTest : public ::testing::Test {
 protected:
  TlsFilesTest() {
    options_.ca_file = folder_.Write("ca.pem", authority_.certificate());
    options_.certificate_file = options_.key_file = folder_.path();
    Write(pair_);
  }

  TestPair Issue(absl::Time not_after) const { return authority_.Issue("shop", now_ - kDay, not_after); }
  void Write(const TestPair& pair) {
    options_.certificate_file = folder_.Write("client.pem", pair.certificate);
    options_.key_file = folder_.Write("client.key", pair.key);
  }

  const absl::Time now_ = absl::FromUnixSeconds(absl::ToUnixSeconds(In(absl::ZeroDuration())));
  const TemporaryFolder folder_;
  const TestAuthority authority_{"root", now_ + 300 * kDay};
  const TestPair pair_ = Issue(now_ + 90 * kDay);
  TlsOptions options_;
};

TEST_F(TlsFilesTest, KnowsWhoseCertificateItIsAndWhenTheFirstOneEnds) {
  const auto files = TlsFiles::Open(options_, now_);
  ASSERT_THAT(files, IsOk());
  const CertificateState state = (*files)->state();
  EXPECT_EQ(state.subject, "CN=shop");
  EXPECT_EQ(state.not_after, now_ + 90 * kDay);
  EXPECT_EQ(state.ends_first, options_.certificate_file);
  EXPECT_THAT(state.last_error, IsEmpty());
  EXPECT_NE((*files)->credentials(), nullptr);
}

TEST_F(TlsFilesTest, TheTrustedCertificateMayEndFirst) {
  Write(Issue(now_ + 400 * kDay));
  const CertificateState state = (*TlsFiles::Open(options_, now_))->state();
  EXPECT_EQ(state.not_after, now_ + 300 * kDay);
  EXPECT_EQ(state.ends_first, options_.ca_file);
}

TEST_F(TlsFilesTest, WithoutFilesItTrustsWhatTheMachineTrusts) {
  const auto files = TlsFiles::Open(TlsOptions(), now_);
  ASSERT_THAT(files, IsOk());
  EXPECT_EQ((*files)->state().not_after, absl::InfiniteFuture());
}

TEST_F(TlsFilesTest, AChainIsWrittenFromTheLeafOn) {
  const TestPair chain = {pair_.certificate + authority_.certificate(), pair_.key};
  Write(chain);
  EXPECT_THAT(TlsFiles::Open(options_, now_), IsOk());
  Write({authority_.certificate() + pair_.certificate, pair_.key});
  EXPECT_THAT(TlsFiles::Open(options_, now_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not the key")));
  const TestAuthority other("other root", now_ + kDay);
  Write({pair_.certificate + other.certificate(), pair_.key});
  EXPECT_THAT(TlsFiles::Open(options_, now_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("has CN=other root after CN=shop, which it has not issued; write the pool's own "
                                 "certificate first, then each one's issuer")));
}

// --- What is refused ----------------------------------------------------------------------------------------------

TEST_F(TlsFilesTest, NamesTheFileThatCannotBeRead) {
  options_.key_file = folder_.path() + "/gone.key";
  EXPECT_THAT(
      TlsFiles::Open(options_, now_),
      StatusIs(absl::StatusCode::kInvalidArgument,
               StartsWith(absl::StrCat("tls.key_file: ", options_.key_file,
                                       " cannot be read (No such file or directory); write the path of a PEM file"))));
  options_.key_file = folder_.path();
  EXPECT_THAT(TlsFiles::Open(options_, now_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("(not a regular file)")));
  // Whoever opens it waits for a writer.
  options_.key_file = folder_.path() + "/fifo";
  ASSERT_EQ(mkfifo(options_.key_file.c_str(), 0600), 0);
  EXPECT_THAT(TlsFiles::Open(options_, now_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("(not a regular file)")));
  options_.key_file = folder_.Write("large.key", std::string(kMaxTlsFile + 1, 'x'));
  EXPECT_THAT(TlsFiles::Open(options_, now_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("larger than 4194304 bytes")));
}

TEST_F(TlsFilesTest, RefusesWhatIsNoCertificateAndNoKey) {
  const std::string damaged = pair_.certificate + "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
  for (const std::string& text : {std::string(), std::string("hello"), pair_.key}) {
    folder_.Write("ca.pem", text);
    EXPECT_THAT(
        TlsFiles::Open(options_, now_),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(StartsWith("tls.ca_file: "), HasSubstr("has no certificate that can be read; write PEM"))));
  }
  folder_.Write("ca.pem", damaged);
  EXPECT_THAT(TlsFiles::Open(options_, now_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has a damaged certificate after 1 good")));
  folder_.Write("ca.pem", authority_.certificate());
  for (const std::string& key : {std::string(), pair_.certificate, Encrypted(pair_)}) {
    Write({pair_.certificate, key});
    EXPECT_THAT(TlsFiles::Open(options_, now_),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(StartsWith("tls.key_file: "), HasSubstr("has no key that can be read; write PEM "
                                                                       "without a password"))));
  }
}

TEST_F(TlsFilesTest, RefusesAKeyOfAnotherCertificate) {
  Write({pair_.certificate, Issue(now_ + kDay).key});
  EXPECT_THAT(TlsFiles::Open(options_, now_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr(absl::StrCat("client.key is not the key of the certificate in ",
                                              options_.certificate_file, " (CN=shop); put both there together"))));
}

TEST_F(TlsFilesTest, RefusesCertificatesOutsideTheirTime) {
  EXPECT_THAT(TlsFiles::Open(options_, now_ + 89 * kDay), IsOk());
  EXPECT_THAT(TlsFiles::Open(options_, now_ + 90 * kDay),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(StartsWith("tls.certificate_file: "), HasSubstr("client.pem expired at "),
                             HasSubstr(" (CN=shop); renew it"))));
  EXPECT_THAT(TlsFiles::Open(options_, now_ - 2 * kDay),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("client.pem is not valid before ")));
  options_.certificate_file = options_.key_file = "";
  EXPECT_THAT(TlsFiles::Open(options_, now_ + 300 * kDay),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ca.pem expired at ")));
}

TEST_F(TlsFilesTest, OfTheTrustedCertificatesOneMustHold) {
  const TestAuthority ended("ended", now_ - absl::Hours(1));
  folder_.Write("ca.pem", ended.certificate() + authority_.certificate());
  EXPECT_THAT(TlsFiles::Open(options_, now_), IsOk());
}

TEST_F(TlsFilesTest, ACertificateAndItsKeyComeTogether) {
  TlsOptions alone = options_;
  alone.key_file = "";
  EXPECT_THAT(TlsFiles::Open(alone, now_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("tls.key_file: is missing beside tls.certificate_file; set both")));
  alone = options_;
  alone.certificate_file = "";
  EXPECT_THAT(TlsFiles::Open(alone, now_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tls.certificate_file: is missing beside")));
  options_.check_every = absl::Milliseconds(99);
  EXPECT_THAT(
      TlsFiles::Open(options_, now_),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tls.check_every: 99ms is shorter than 100ms; set 10s")));
}

// --- What changes -------------------------------------------------------------------------------------------------

TEST_F(TlsFilesTest, UnchangedFilesKeepTheirCredentials) {
  const auto files = *TlsFiles::Open(options_, now_);
  const auto before = files->credentials();
  Write(pair_);  // As a tool does that writes them each day.
  EXPECT_EQ(files->LookAgain(now_), Change::kNone);
  EXPECT_EQ(files->credentials(), before);
  EXPECT_EQ(files->state().changes, 0);
}

TEST_F(TlsFilesTest, AGoodPairReplacesAnother) {
  const auto files = *TlsFiles::Open(options_, now_);
  const auto before = files->credentials();
  Write(Issue(now_ + 100 * kDay));
  EXPECT_EQ(files->LookAgain(now_), Change::kReplaced);
  EXPECT_NE(files->credentials(), before);
  EXPECT_EQ(files->state().not_after, now_ + 100 * kDay);
  EXPECT_EQ(files->state().changes, 1);
}

TEST_F(TlsFilesTest, ABadPairReplacesNothingAndIsToldOnce) {
  const auto files = *TlsFiles::Open(options_, now_);
  const auto before = files->credentials();
  const TestPair next = Issue(now_ + 100 * kDay);
  Write({next.certificate, pair_.key});  // Half of the rotation.
  EXPECT_EQ(files->LookAgain(now_), Change::kRefused);
  EXPECT_EQ(files->LookAgain(now_), Change::kNone);
  EXPECT_EQ(files->credentials(), before);
  EXPECT_THAT(files->state().last_error, HasSubstr("is not the key of the certificate"));
  EXPECT_EQ(files->state().not_after, now_ + 90 * kDay);
  EXPECT_EQ(files->state().refusals, 1);

  Write(next);
  EXPECT_EQ(files->LookAgain(now_), Change::kReplaced);
  EXPECT_THAT(files->state().last_error, IsEmpty());
}

TEST_F(TlsFilesTest, FilesThatAreGoneReplaceNothing) {
  const auto files = *TlsFiles::Open(options_, now_);
  const auto before = files->credentials();
  ASSERT_EQ(std::remove(options_.key_file.c_str()), 0);
  EXPECT_EQ(files->LookAgain(now_), Change::kRefused);
  EXPECT_EQ(files->credentials(), before);
  Write(pair_);
  EXPECT_EQ(files->LookAgain(now_), Change::kNone);  // The same as is in use.
  EXPECT_THAT(files->state().last_error, IsEmpty());
}

}  // namespace
}  // namespace chanpool
