// A connector that counts what the pool asks of the connections behind it, and stops the test when one dies twice.
//
//   Asked asked;
//   auto connector = std::make_unique<WatchedConnector>(target.NewConnector(), &asked);
//
// The counts are the pool's actions as the outer world sees them.
#ifndef CHANPOOL_TESTS_SIM_WATCHED_CONNECTOR_H_
#define CHANPOOL_TESTS_SIM_WATCHED_CONNECTOR_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "pool/core/check.h"
#include "pool/core/connector.h"

namespace chanpool {

// Thread-safe. Outlives the connections.
struct Asked {
  std::atomic<uint64_t> created{0}, started{0}, redialled{0}, probed{0}, cancelled{0}, destroyed{0};
  std::atomic<uint64_t> reported_open{0};
};

class WatchedConnector : public Connector {
 public:
  WatchedConnector(std::unique_ptr<Connector> behind, Asked* asked) : behind_(std::move(behind)), asked_(asked) {}

  std::unique_ptr<Connection> Create(ConnectionId id, const PoolOptions& options,
                                     std::weak_ptr<ConnectionListener> listener) override {
    return CreateTo(Endpoint(), id, options, std::move(listener));
  }
  std::unique_ptr<Connection> CreateTo(const Endpoint& endpoint, ConnectionId id, const PoolOptions& options,
                                       std::weak_ptr<ConnectionListener> listener) override {
    ++asked_->created;
    auto tap = std::make_shared<Tap>(std::move(listener), asked_);
    return std::make_unique<Watched>(behind_->CreateTo(endpoint, id, options, tap), tap, asked_);
  }

 private:
  // Passes every report on.
  class Tap : public ConnectionListener {
   public:
    Tap(std::weak_ptr<ConnectionListener> to, Asked* asked) : to_(std::move(to)), asked_(asked) {}
    void OnOpened(ConnectionId id) override {
      ++asked_->reported_open;
      if (const auto to = to_.lock()) to->OnOpened(id);
    }
    void OnFailed(ConnectionId id, absl::Status why) override {
      if (const auto to = to_.lock()) to->OnFailed(id, std::move(why));
    }
    void OnLost(ConnectionId id, absl::Status why) override {
      if (const auto to = to_.lock()) to->OnLost(id, std::move(why));
    }
    void OnProbed(ConnectionId id, absl::Status result) override {
      if (const auto to = to_.lock()) to->OnProbed(id, std::move(result));
    }

   private:
    const std::weak_ptr<ConnectionListener> to_;
    Asked* const asked_;
  };

  class Watched : public Connection {
   public:
    Watched(std::unique_ptr<Connection> behind, std::shared_ptr<Tap> tap, Asked* asked)
        : tap_(std::move(tap)), behind_(std::move(behind)), asked_(asked) {}
    ~Watched() override {
      CHANPOOL_CHECK(!dead_.exchange(true));
      ++asked_->destroyed;
    }
    void Start() override {
      CHANPOOL_CHECK(!started_.exchange(true));  // "Called once."
      ++asked_->started;
      behind_->Start();
    }
    void Redial() override {
      CHANPOOL_CHECK(started_);
      ++asked_->redialled;
      behind_->Redial();
    }
    void Probe(absl::Duration timeout) override {
      ++asked_->probed;
      behind_->Probe(timeout);
    }
    void CancelCalls(const absl::Status& why) override {
      ++asked_->cancelled;
      behind_->CancelCalls(why);
    }

   private:
    const std::shared_ptr<Tap> tap_;
    const std::unique_ptr<Connection> behind_;
    Asked* const asked_;
    std::atomic<bool> started_{false}, dead_{false};
  };

  const std::unique_ptr<Connector> behind_;
  Asked* const asked_;
};

}  // namespace chanpool
#endif  // CHANPOOL_TESTS_SIM_WATCHED_CONNECTOR_H_
