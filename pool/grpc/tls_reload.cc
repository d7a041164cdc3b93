#include "pool/grpc/tls_reload.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "pool/grpc/closer_thread.h"
#include "pool/grpc/tls_files.h"

namespace chanpool {
namespace {

std::string EndText(const CertificateState& state, absl::Time wall_now) {
  const int64_t days = absl::ToInt64Hours(state.not_after - wall_now) / 24;
  return absl::StrCat(state.ends_first, " ends at ",
                      absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", state.not_after, absl::UTCTimeZone()), ", ", days,
                      days == 1 ? " day left" : " days left");
}

}  // namespace

std::shared_ptr<TlsReload> TlsReload::Start(const std::shared_ptr<Pool>& pool, ChannelConnector* connector) {
  std::shared_ptr<TlsReload> reload(new TlsReload(pool, connector));
  reload->alarm_ = pool->clock()->NewAlarm([weak = reload->weak_from_this()] {
    CloserThread::Get()->Post([weak] {
      if (const std::shared_ptr<TlsReload> self = weak.lock()) self->Look();
    });
  });
  reload->Rearm();
  return reload;
}

void TlsReload::Rearm() {
  const std::shared_ptr<Pool> pool = pool_.lock();
  if (pool == nullptr) return;
  const std::shared_ptr<TlsFiles> files = connector_->tls();
  alarm_->Set(files == nullptr ? absl::InfiniteFuture() : clock_->Now() + files->options().check_every);
}

void TlsReload::Look() {
  const std::shared_ptr<Pool> pool = pool_.lock();
  if (pool == nullptr) return;
  const std::shared_ptr<TlsFiles> files = connector_->tls();
  if (files != nullptr) {
    const absl::Time now = clock_->WallNow();
    const TlsFiles::Change change = files->LookAgain(now);
    const CertificateState state = files->state();
    if (change == TlsFiles::Change::kReplaced) {
      pool->Publish(PoolEvent::Kind::kCertificateChanged, state.ends_first.empty() ? "" : EndText(state, now));
      pool->Redirected();  // Not Recycle: what backs off because of the old files dials at once.
    } else if (change == TlsFiles::Change::kRefused) {
      pool->Publish(PoolEvent::Kind::kCertificateRefused, state.last_error);
    }
    if (state.not_after - now < kExpiryWarning && state.not_after != told_end_) {
      told_end_ = state.not_after;
      pool->Publish(PoolEvent::Kind::kCertificateExpiring, EndText(state, now));
    }
  }
  Rearm();
}

}  // namespace chanpool
