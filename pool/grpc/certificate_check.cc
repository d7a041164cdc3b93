#include "pool/grpc/certificate_check.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace chanpool {
namespace {

template <auto free>
struct FreeBy {
  template <typename T>
  void operator()(T* object) const {
    free(object);
  }
};
using Certificate = std::unique_ptr<X509, FreeBy<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, FreeBy<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, FreeBy<BIO_free>>;

Bio Reader(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

absl::Time ToTime(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return absl::InfinitePast();
  return absl::FromTM(parts, absl::UTCTimeZone());
}

absl::Time NotAfter(const Certificate& certificate) { return ToTime(X509_get0_notAfter(certificate.get())); }
absl::Time NotBefore(const Certificate& certificate) { return ToTime(X509_get0_notBefore(certificate.get())); }

std::string SubjectOf(const Certificate& certificate) {
  const Bio out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate.get()), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const int64_t size = BIO_get_mem_data(out.get(), &text);
  return std::string(text, size);
}

std::string Day(absl::Time time) { return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone()); }

absl::Status Wrong(absl::string_view option, absl::string_view file, absl::string_view what, absl::string_view right) {
  return absl::InvalidArgumentError(absl::StrCat("tls.", option, ": ", file, " ", what, "; ", right));
}

// Every certificate in `text`, at least one.
absl::StatusOr<std::vector<Certificate>> Read(absl::string_view option, const std::string& file,
                                              const std::string& text) {
  const Bio reader = Reader(text);
  std::vector<Certificate> certificates;
  while (X509* next = PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr)) certificates.emplace_back(next);
  const bool whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;  // So it ends, and not by an error.
  ERR_clear_error();
  if (whole && !certificates.empty()) return certificates;
  return Wrong(option, file,
               certificates.empty() ? "has no certificate that can be read"
                                    : absl::StrCat("has a damaged certificate after ", certificates.size(), " good"),
               "write PEM: -----BEGIN CERTIFICATE-----");
}

// No terminal is asked for a password.
int NoPassword(char*, int, int, void*) { return -1; }

absl::Status CheckDates(absl::string_view option, const std::string& file, const Certificate& certificate,
                        absl::Time now) {
  if (NotBefore(certificate) > now) {
    return Wrong(option, file,
                 absl::StrCat("is not valid before ", Day(NotBefore(certificate)), " (", SubjectOf(certificate), ")"),
                 "put it there when it is, or look at this machine's clock");
  }
  if (NotAfter(certificate) > now) return absl::OkStatus();
  return Wrong(option, file, absl::StrCat("expired at ", Day(NotAfter(certificate)), " (", SubjectOf(certificate), ")"),
               "renew it");
}

absl::Status CheckPair(const TlsOptions& options, const TlsTexts& texts, absl::Time now, CertificateFacts& facts) {
  absl::StatusOr<std::vector<Certificate>> chain =
      Read("certificate_file", options.certificate_file, texts.certificate);
  if (!chain.ok()) return chain.status();
  const Key key(PEM_read_bio_PrivateKey(Reader(texts.key).get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  if (key == nullptr) {
    return Wrong("key_file", options.key_file, "has no key that can be read",
                 "write PEM without a password: -----BEGIN PRIVATE KEY-----");
  }
  const bool fits = X509_check_private_key(chain->front().get(), key.get()) == 1;
  ERR_clear_error();
  if (!fits) {
    return Wrong("key_file", options.key_file,
                 absl::StrCat("is not the key of the certificate in ", options.certificate_file, " (",
                              SubjectOf(chain->front()), ")"),
                 "put both there together");
  }
  for (size_t i = 0; i < chain->size(); ++i) {
    const Certificate& certificate = (*chain)[i];
    if (absl::Status valid = CheckDates("certificate_file", options.certificate_file, certificate, now); !valid.ok()) {
      return valid;
    }
    facts.not_after = std::min(facts.not_after, NotAfter(certificate));
    if (i + 1 == chain->size()) break;
    const Certificate& issuer = (*chain)[i + 1];
    const bool issued = X509_check_issued(issuer.get(), certificate.get()) == X509_V_OK &&
                        X509_verify(certificate.get(), X509_get0_pubkey(issuer.get())) == 1;
    ERR_clear_error();
    if (issued) continue;
    return Wrong(
        "certificate_file", options.certificate_file,
        absl::StrCat("has ", SubjectOf(issuer), " after ", SubjectOf(certificate), ", which it has not issued"),
        "write the pool's own certificate first, then each one's issuer");
  }
  facts.subject = SubjectOf(chain->front());
  facts.ends_first = options.certificate_file;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CertificateFacts> CheckCertificates(const TlsOptions& options, const TlsTexts& texts, absl::Time now) {
  CertificateFacts facts;
  if (!options.certificate_file.empty()) {
    if (absl::Status valid = CheckPair(options, texts, now, facts); !valid.ok()) return valid;
  }
  if (options.ca_file.empty()) return facts;
  absl::StatusOr<std::vector<Certificate>> trusted = Read("ca_file", options.ca_file, texts.ca);
  if (!trusted.ok()) return trusted.status();
  const auto last = std::max_element(trusted->begin(), trusted->end(), [](const Certificate& a, const Certificate& b) {
    return NotAfter(a) < NotAfter(b);
  });
  if (absl::Status valid = CheckDates("ca_file", options.ca_file, *last, now); !valid.ok()) return valid;
  if (NotAfter(*last) < facts.not_after) {
    facts.not_after = NotAfter(*last);
    facts.ends_first = options.ca_file;
  }
  return facts;
}

}  // namespace chanpool
