#include "pool/grpc/tls_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace chanpool {
namespace {

absl::Status CannotRead(absl::string_view option, const std::string& file, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("tls.", option, ": ", file, " cannot be read (", why,
                                                 "); write the path of a PEM file that user ", geteuid(), " may read"));
}

// "" for no file.
absl::StatusOr<std::string> Read(absl::string_view option, const std::string& file) {
  std::string text;
  if (file.empty()) return text;
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return CannotRead(option, file, std::strerror(errno));
  struct stat about = {};
  absl::Status read;
  if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
    read = CannotRead(option, file, "not a regular file");
  }
  char buffer[16384];
  while (read.ok()) {
    const ssize_t size = ::read(fd, buffer, sizeof(buffer));
    if (size == 0) break;
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      read = CannotRead(option, file, std::strerror(errno));
    } else if (text.append(buffer, size).size() > kMaxTlsFile) {
      read = CannotRead(option, file, absl::StrCat("larger than ", kMaxTlsFile, " bytes"));
    }
  }
  close(fd);
  if (!read.ok()) return read;
  return text;
}

absl::StatusOr<TlsTexts> ReadAll(const TlsOptions& options) {
  absl::StatusOr<std::string> ca = Read("ca_file", options.ca_file);
  if (!ca.ok()) return ca.status();
  absl::StatusOr<std::string> certificate = Read("certificate_file", options.certificate_file);
  if (!certificate.ok()) return certificate.status();
  absl::StatusOr<std::string> key = Read("key_file", options.key_file);
  if (!key.ok()) return key.status();
  return TlsTexts{*std::move(ca), *std::move(certificate), *std::move(key)};
}

std::shared_ptr<grpc::ChannelCredentials> MakeCredentials(const TlsTexts& texts) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = texts.ca;
  options.pem_private_key = texts.key;
  options.pem_cert_chain = texts.certificate;
  return grpc::SslCredentials(options);
}

absl::Status CheckOptions(const TlsOptions& options) {
  if (options.certificate_file.empty() != options.key_file.empty()) {
    const bool no_key = options.key_file.empty();
    return absl::InvalidArgumentError(absl::StrCat("tls.", no_key ? "key_file" : "certificate_file",
                                                   ": is missing beside tls.", no_key ? "certificate_file" : "key_file",
                                                   "; set both to show a certificate to servers, or neither"));
  }
  if (options.check_every < kShortestTlsCheck) {
    return absl::InvalidArgumentError(absl::StrCat("tls.check_every: ", absl::FormatDuration(options.check_every),
                                                   " is shorter than 100ms; set 10s"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<TlsFiles>> TlsFiles::Open(TlsOptions options, absl::Time wall_now) {
  if (absl::Status valid = CheckOptions(options); !valid.ok()) return valid;
  std::shared_ptr<TlsFiles> files(new TlsFiles(std::move(options)));
  if (files->LookAgain(wall_now) != Change::kReplaced) return absl::InvalidArgumentError(files->state().last_error);
  MutexLock lock(&files->mu_);
  files->state_.changes = 0;
  return files;
}

TlsFiles::Change TlsFiles::LookAgain(absl::Time wall_now) {
  absl::StatusOr<TlsTexts> texts = ReadAll(options_);
  {
    MutexLock lock(&mu_);
    if (texts.ok() && credentials_ != nullptr && *texts == in_use_) {
      state_.last_error.clear();  // They were something else in between.
      return Change::kNone;
    }
  }
  absl::StatusOr<CertificateFacts> facts = texts.ok() ? CheckCertificates(options_, *texts, wall_now) : texts.status();
  if (!facts.ok()) {
    MutexLock lock(&mu_);
    if (state_.last_error == facts.status().message()) return Change::kNone;
    state_.last_error = std::string(facts.status().message());
    ++state_.refusals;
    return Change::kRefused;
  }
  // Outside the lock: gRPC makes one, and may destroy the other.
  std::shared_ptr<grpc::ChannelCredentials> credentials = MakeCredentials(*texts);
  MutexLock lock(&mu_);
  credentials_.swap(credentials);
  in_use_ = *std::move(texts);
  state_.subject = std::move(facts->subject);
  state_.not_after = facts->not_after;
  state_.ends_first = std::move(facts->ends_first);
  state_.last_error.clear();
  ++state_.changes;
  return Change::kReplaced;
}

std::shared_ptr<grpc::ChannelCredentials> TlsFiles::credentials() const {
  MutexLock lock(&mu_);
  return credentials_;
}

CertificateState TlsFiles::state() const {
  MutexLock lock(&mu_);
  return state_;
}

}  // namespace chanpool
