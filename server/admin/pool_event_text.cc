#include "server/admin/pool_event_text.h"

#include "absl/strings/str_cat.h"

namespace chanpool::admin {
namespace {

struct Meaning {
  v1::EventType type;
  v1::Severity severity;
  const char* text;
  bool of_connection;
  bool with_reason;
};

Meaning MeaningOf(PoolEvent::Kind kind) {
  switch (kind) {
    case PoolEvent::Kind::kConnecting:
      return {v1::EVENT_TYPE_CONNECTION_CONNECTING, v1::SEVERITY_INFO, "dials", true, false};
    case PoolEvent::Kind::kOpened:
      return {v1::EVENT_TYPE_CONNECTION_OPENED, v1::SEVERITY_INFO, "carries calls now", true, false};
    case PoolEvent::Kind::kConnectFailed:
      return {v1::EVENT_TYPE_CONNECTION_DIAL_FAILED, v1::SEVERITY_WARNING, "dial failed", true, false};
    case PoolEvent::Kind::kChecking:
      return {v1::EVENT_TYPE_CONNECTION_CHECKING, v1::SEVERITY_WARNING, "suspected, being probed", true, false};
    case PoolEvent::Kind::kDraining:
      return {v1::EVENT_TYPE_CONNECTION_DRAINING, v1::SEVERITY_INFO, "lends no more", true, true};
    case PoolEvent::Kind::kLingering:
      return {v1::EVENT_TYPE_CONNECTION_LINGERING, v1::SEVERITY_WARNING, "still carries calls after drain_grace", true,
              true};
    case PoolEvent::Kind::kClosed:
      return {v1::EVENT_TYPE_CONNECTION_CLOSED, v1::SEVERITY_INFO, "closed", true, true};
    case PoolEvent::Kind::kPoolDraining:
      return {v1::EVENT_TYPE_POOL_DRAINING, v1::SEVERITY_WARNING, "refuses callers and drains", false, false};
    case PoolEvent::Kind::kPoolDrained:
      return {v1::EVENT_TYPE_POOL_DRAINED, v1::SEVERITY_INFO, "drained: the last call has ended", false, false};
    case PoolEvent::Kind::kPoolResumed:
      return {v1::EVENT_TYPE_POOL_RESUMED, v1::SEVERITY_INFO, "lends again", false, false};
    case PoolEvent::Kind::kPoolPaused:
      return {v1::EVENT_TYPE_POOL_PAUSED, v1::SEVERITY_WARNING, "lends nothing, callers wait", false, false};
    case PoolEvent::Kind::kPoolUnpaused:
      return {v1::EVENT_TYPE_POOL_UNPAUSED, v1::SEVERITY_INFO, "lends again after a pause", false, false};
    case PoolEvent::Kind::kReconfigured:
      return {v1::EVENT_TYPE_POOL_RECONFIGURED, v1::SEVERITY_INFO, "has other options", false, false};
    case PoolEvent::Kind::kPoolDestroyed:
      return {v1::EVENT_TYPE_POOL_DRAINING, v1::SEVERITY_WARNING, "destroyed by its owner: refuses callers for ever",
              false, false};
    case PoolEvent::Kind::kLeaseLeaked:
      return {v1::EVENT_TYPE_LEASE_LEAKED, v1::SEVERITY_WARNING, "has a lease that may have leaked", true, false};
    case PoolEvent::Kind::kLeaseReturned:
      return {v1::EVENT_TYPE_LEASE_RETURNED, v1::SEVERITY_INFO, "has the lease back that seemed to have leaked", true,
              false};
    case PoolEvent::Kind::kCertificateChanged:
      return {v1::EVENT_TYPE_CERTIFICATE_CHANGED, v1::SEVERITY_INFO, "uses other certificates", false, false};
    case PoolEvent::Kind::kCertificateRefused:
      return {v1::EVENT_TYPE_CERTIFICATE_REFUSED, v1::SEVERITY_WARNING,
              "keeps its certificates, since those in the files now are no good", false, false};
    case PoolEvent::Kind::kCertificateExpiring:
      return {v1::EVENT_TYPE_CERTIFICATE_EXPIRING, v1::SEVERITY_WARNING, "has a certificate that ends soon", false,
              false};
  }
  return {v1::EVENT_TYPE_UNSPECIFIED, v1::SEVERITY_INFO, "", false, false};
}

// A lost connection, a failed probe or an outlier is nobody's wish.
v1::Severity SeverityOf(const PoolEvent& event, const Meaning& meaning) {
  if (!meaning.with_reason) return meaning.severity;
  switch (event.reason) {
    case CloseReason::kLost:
    case CloseReason::kConnectFailed:
    case CloseReason::kProbeFailed:
    case CloseReason::kEjected:
      return v1::SEVERITY_WARNING;
    default:
      return meaning.severity;
  }
}

}  // namespace

v1::Event ToProto(const PoolEvent& event, const std::string& pool) {
  const Meaning meaning = MeaningOf(event.kind);
  v1::Event proto;
  proto.set_type(meaning.type);
  proto.set_severity(SeverityOf(event, meaning));
  proto.set_resource(meaning.of_connection ? absl::StrCat(pool, "/connections/", event.connection.ToString()) : pool);
  proto.set_message(absl::StrCat(meaning.text,
                                 meaning.with_reason ? absl::StrCat(" (", ToString(event.reason), ")") : "",
                                 event.detail.empty() ? "" : absl::StrCat(": ", event.detail)));
  return proto;
}

}  // namespace chanpool::admin
