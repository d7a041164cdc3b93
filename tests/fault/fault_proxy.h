// A TCP forwarder on a port of its own that does to its connections what networks do.
//
//   FaultProxy proxy(server.port());
//   auto pool = ChannelPool::Create({.target = proxy.target()});
//   proxy.BlackHole();          // nothing passes, nothing closes
//   proxy.Heal();
//
// Each fault holds when its function returns: no byte passes later that should not.
#ifndef CHANPOOL_TESTS_FAULT_FAULT_PROXY_H_
#define CHANPOOL_TESTS_FAULT_FAULT_PROXY_H_

#include <cstdint>
#include <deque>
#include <list>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "pool/core/mutex.h"

namespace chanpool::fault {

// Thread-safe. One thread of its own, which the destructor ends, and every connection with it.
class FaultProxy {
 public:
  // Listens when it returns, on 127.0.0.1, and dials `upstream_port` there for each connection.
  explicit FaultProxy(int upstream_port);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  int port() const { return port_; }
  // For a channel: "ipv4:127.0.0.1:40123".
  std::string target() const;

  // Connections to come go to these ports of 127.0.0.1 in turn: a balancer of layer 4.
  void DialInTurn(std::vector<int> upstream_ports);

  // --- Until Heal(), for connections that are open and those to come ---

  // Each byte arrives so much later, in either direction.
  void Delay(absl::Duration each_way);
  // Each byte is sent by itself. The kernel may join a few; none of its segments is a whole frame.
  void ByteByByte();
  // What is sent is taken and lost.
  void Drop();
  // Nothing is taken, passed on or closed; the kernels go on to acknowledge until their buffers are full. A client that
  // hangs up is let go.
  void BlackHole();
  // Dials complete, since the kernel completes them, and then hear nothing. Open connections go on.
  void StopAccepting();
  // Dials are refused. Open connections go on.
  void Refuse();
  // Ends all of these. What a black hole held back flows on; what was lost is lost.
  void Heal();

  // --- Once, to the connections that are open now ---

  // RST to both ends.
  void Reset();
  // The server's direction ends (FIN to the client), and what it still sends is lost. The client's goes on.
  void HalfClose();
  // They become black holes for good, while new ones pass: what a NAT does that forgets.
  void Strand();
  // One byte of the next record of TLS application data from the server is not what it was.
  void CorruptNextRecord();

  int open() const;           // Connections that are forwarded, stranded ones among them.
  int64_t accepted() const;   // Since the beginning.
  int64_t corrupted() const;  // Records.
  // Connections in which CorruptNextRecord still waits for one.
  int to_be_corrupted() const;
  // Those in which it has been, and that nobody has given up yet.
  int open_corrupted() const;

 private:
  static constexpr size_t kMaxRelays = 1000;             // Beyond them nobody is accepted until one ends.
  static constexpr size_t kMaxQueuedBytes = 256 * 1024;  // In one direction; beyond it nothing is read.

  struct Chunk {
    absl::Time due;
    std::string bytes;  // Empty: the end.
  };

  // Where a stream of TLS records is, byte by byte.
  struct RecordReader {
    int header_bytes = 0;  // Of this record's five, that have passed.
    int type = 0;
    int left = 0;  // Of its payload.
  };

  // One direction.
  struct Stream {
    std::deque<Chunk> queue;
    size_t queued_bytes = 0;
    size_t written = 0;     // Of the first chunk.
    bool read_all = false;  // The sender has ended.
    bool ended = false;     // The receiver has been told so. What still comes is lost.
    RecordReader records;
    bool corrupt_next = false;
    bool corrupted = false;
  };

  struct Relay {
    int client = -1;
    int server = -1;
    Stream up, down;  // From client to server, and back.
    bool stranded = false;
    bool over = false;
  };

  void Listen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void StopListening() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  template <typename Set>
  void Change(Set set);
  void Wake();
  void Run();
  void Accept() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Read(Relay& relay, Stream& stream, int from) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Write(Relay& relay, Stream& stream, int to, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Corrupt(Stream& stream, std::string& bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool IsBlack(const Relay& relay) const ABSL_SHARED_LOCKS_REQUIRED(mu_) { return black_hole_ || relay.stranded; }
  static void Close(Relay& relay, bool by_reset);

  int port_ = 0;
  int port_holder_ = -1;  // Bound and never listening: nobody else gets the port while dials are refused.
  int wake_ = -1;         // An eventfd.

  mutable Mutex mu_;
  std::vector<int> upstream_ports_ ABSL_GUARDED_BY(mu_);
  size_t next_upstream_ ABSL_GUARDED_BY(mu_) = 0;
  int listener_ ABSL_GUARDED_BY(mu_) = -1;
  std::list<Relay> relays_ ABSL_GUARDED_BY(mu_);
  absl::Duration delay_ ABSL_GUARDED_BY(mu_);
  bool byte_by_byte_ ABSL_GUARDED_BY(mu_) = false;
  bool drop_ ABSL_GUARDED_BY(mu_) = false;
  bool black_hole_ ABSL_GUARDED_BY(mu_) = false;
  bool accepts_ ABSL_GUARDED_BY(mu_) = true;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  int64_t accepted_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t corrupted_ ABSL_GUARDED_BY(mu_) = 0;

  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace chanpool::fault
#endif  // CHANPOOL_TESTS_FAULT_FAULT_PROXY_H_
