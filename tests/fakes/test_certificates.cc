#include "tests/fakes/test_certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "pool/core/check.h"

namespace chanpool::testing {
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

std::string Text(const Bio& bio) {
  char* text = nullptr;
  const int64_t size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, size);
}

void AddExtension(const Certificate& certificate, int kind, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  CHANPOOL_CHECK(extension != nullptr && X509_add_ext(certificate.get(), extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

// Issued by itself where there is no issuer.
TestPair Make(const std::string& name, absl::Time not_before, absl::Time not_after, const TestPair* issuer) {
  static std::atomic<int> serial{0};
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  ASN1_TIME_set(X509_getm_notBefore(certificate.get()), absl::ToTimeT(not_before));
  ASN1_TIME_set(X509_getm_notAfter(certificate.get()), absl::ToTimeT(not_after));
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                             0);
  X509_set_pubkey(certificate.get(), key.get());
  if (issuer == nullptr) {
    X509_set_issuer_name(certificate.get(), subject);
    AddExtension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    CHANPOOL_CHECK(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
  } else {
    const Bio certificate_reader(BIO_new_mem_buf(issuer->certificate.data(), -1));
    const Certificate of(PEM_read_bio_X509(certificate_reader.get(), nullptr, nullptr, nullptr));
    const Bio key_reader(BIO_new_mem_buf(issuer->key.data(), -1));
    const Key by(PEM_read_bio_PrivateKey(key_reader.get(), nullptr, nullptr, nullptr));
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(of.get()));
    AddExtension(certificate, NID_subject_alt_name, absl::StrCat("DNS:", name));
    CHANPOOL_CHECK(X509_sign(certificate.get(), by.get(), EVP_sha256()) > 0);
  }
  const Bio certificate_text(BIO_new(BIO_s_mem())), key_text(BIO_new(BIO_s_mem()));
  CHANPOOL_CHECK(PEM_write_bio_X509(certificate_text.get(), certificate.get()) == 1);
  CHANPOOL_CHECK(PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return {Text(certificate_text), Text(key_text)};
}

}  // namespace

TestAuthority::TestAuthority(const std::string& name, absl::Time not_after)
    : own_(Make(name, absl::Now() - absl::Hours(24), not_after, nullptr)) {}

TestPair TestAuthority::Issue(const std::string& name, absl::Time not_before, absl::Time not_after) const {
  return Make(name, not_before, not_after, &own_);
}

std::string Encrypted(const TestPair& pair) {
  const Bio reader(BIO_new_mem_buf(pair.key.data(), -1));
  const Key key(PEM_read_bio_PrivateKey(reader.get(), nullptr, nullptr, nullptr));
  const Bio text(BIO_new(BIO_s_mem()));
  const unsigned char password[] = "secret";
  CHANPOOL_CHECK(PEM_write_bio_PrivateKey(text.get(), key.get(), EVP_aes_128_cbc(), password, 6, nullptr, nullptr) ==
                 1);
  return Text(text);
}

}  // namespace chanpool::testing
