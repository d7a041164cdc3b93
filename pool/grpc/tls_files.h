// The files of a pool's TlsOptions: read, checked, and read again. What is good replaces what was good before; what is
// not changes nothing.
//
//   absl::StatusOr<std::shared_ptr<TlsFiles>> files = TlsFiles::Open(options, clock->WallNow());
//   ... CreateCustomChannel(target, (*files)->credentials(), ...)
//   if ((*files)->LookAgain(clock->WallNow()) == TlsFiles::Change::kReplaced) pool->Recycle();
#ifndef CHANPOOL_POOL_GRPC_TLS_FILES_H_
#define CHANPOOL_POOL_GRPC_TLS_FILES_H_

#include <grpcpp/security/credentials.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "pool/core/certificate_state.h"
#include "pool/core/mutex.h"
#include "pool/grpc/certificate_check.h"
#include "pool/grpc/tls_options.h"

namespace chanpool {

// Thread-safe. Open and LookAgain read files of the local disk, of at most kMaxTlsFile bytes each: what is no regular
// file is refused, since it could make a reader wait.
class TlsFiles {
 public:
  enum class Change {
    kNone,
    kReplaced,  // Other files are in use.
    kRefused,   // The files have changed, and are no good: state().last_error. Once for each reason.
  };

  // kInvalidArgument: the first thing that is wrong, as "tls.key_file: what; what would be right".
  static absl::StatusOr<std::shared_ptr<TlsFiles>> Open(TlsOptions options, absl::Time wall_now);

  // kNone costs three reads of files.
  Change LookAgain(absl::Time wall_now);

  // Of the files in use, for new channels. The same object until they change.
  std::shared_ptr<grpc::ChannelCredentials> credentials() const;
  CertificateState state() const;
  const TlsOptions& options() const { return options_; }

 private:
  explicit TlsFiles(TlsOptions options) : options_(std::move(options)) {}

  const TlsOptions options_;
  mutable Mutex mu_;
  TlsTexts in_use_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<grpc::ChannelCredentials> credentials_ ABSL_GUARDED_BY(mu_);
  CertificateState state_ ABSL_GUARDED_BY(mu_);
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_TLS_FILES_H_
