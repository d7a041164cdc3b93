// Where calls wait that come before their target has an address.
//
//   std::shared_ptr<WaitingRoom> room = WaitingRoom::Open("orders", "50051");
//   auto channel = grpc::CreateChannel(room->target(), credentials);      // a call on it waits, as on any CONNECTING
//   one room->Admit("10.0.0.1");                                              // now it dials there
//
// A gRPC channel cannot be made before it is known what it dials, and a call cannot change its channel. What a channel
// can do is to resolve a name at a given DNS server: here that is this room, on a loopback port of its own, which holds
// its answer back until the pool has one.
#ifndef CHANPOOL_POOL_GRPC_WAITING_ROOM_H_
#define CHANPOOL_POOL_GRPC_WAITING_ROOM_H_

#include <sys/socket.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pool/grpc/dns_thread.h"

namespace chanpool {

// On the DnsThread only, but for Open and target().
class WaitingRoom : public DnsThread::Watched, public std::enable_shared_from_this<WaitingRoom> {
 public:
  // Null when there is no socket to be had, or when gRPC was told to resolve by the system's means alone
  // (GRPC_DNS_RESOLVER=native), which asks no server of ours.
  static std::shared_ptr<WaitingRoom> Open(const std::string& host, const std::string& port);
  ~WaitingRoom() override;

  const std::string& target() const { return target_; }

  // Questions asked before are answered now, and those asked later at once.
  void Admit(const std::string& ip);
  // No more answers.
  void Close();

  int AddTo(std::vector<pollfd>* fds) override;
  void Ready(const pollfd* fds, size_t n) override;

 private:
  struct Question {
    sockaddr_storage from;
    socklen_t from_size;
    std::string packet;
  };
  static constexpr size_t kMaxQuestions = 32;  // Two families, their resends, and a few search domains.

  WaitingRoom(int fd, std::string target) : fd_(fd), target_(std::move(target)) {}
  void AnswerAll();

  const int fd_;
  const std::string target_;
  std::string ip_;  // Empty: not known yet.
  std::vector<Question> questions_;
};

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_WAITING_ROOM_H_
