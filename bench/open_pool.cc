#include "bench/open_pool.h"

#include <cstdint>
#include <utility>

#include "pool/core/check.h"
#include "pool/core/clock.h"
#include "pool/core/connector.h"
#include "pool/core/options.h"
#include "pool/testing/closers.h"

namespace chanpool::bench {
namespace {

// In a cache line of its own.
class alignas(64) CountedConnection : public Connection {
 public:
  CountedConnection(ConnectionId id, std::weak_ptr<ConnectionListener> listener)
      : id_(id), listener_(std::move(listener)) {}

  void Start() override { Redial(); }
  void Redial() override {
    if (const auto listener = listener_.lock()) listener->OnOpened(id_);
  }
  void Probe(absl::Duration) override {
    if (const auto listener = listener_.lock()) listener->OnProbed(id_, absl::OkStatus());
  }
  void CancelCalls(const absl::Status&) override {}

  void CountUse() { ++uses_; }

 private:
  const ConnectionId id_;
  const std::weak_ptr<ConnectionListener> listener_;
  uint64_t uses_ = 0;
};

class CountedConnector : public Connector {
 public:
  std::unique_ptr<Connection> Create(ConnectionId id, const PoolOptions&,
                                     std::weak_ptr<ConnectionListener> listener) override {
    return std::make_unique<CountedConnection>(id, std::move(listener));
  }
};

}  // namespace

OpenPool::OpenPool(int connections, int leases_per_connection) {
  Pool::Config config;
  config.name = "bench";
  config.options.min_connections = connections;
  config.options.max_connections = connections;
  config.options.max_leases_per_connection = leases_per_connection;
  // All at once: each opens inside its Start, and would begin the next one there, thousands of calls deep.
  config.options.max_connecting = connections;
  config.connector = std::make_unique<CountedConnector>();
  config.clock = RealClock();
  static auto* const closer = new ThreadCloser;
  config.closer = closer;
  pool_ = Pool::Create(std::move(config));
  CHANPOOL_CHECK(pool_->Stats().connections_open == connections);
}

OpenPool::~OpenPool() { pool_->Destroy(); }

void CountUse(const Place& place) { static_cast<CountedConnection*>(place.connection())->CountUse(); }

}  // namespace chanpool::bench
