// Shows the pools of this application to the sidecar, so that operators see and steer them: dials the sidecar's socket
// and serves PoolAdmin on the connection that it opened.
//
//   auto attachment = chanpool::Attachment::Start({.name = "shop"}, {chanpool::ShownPool("orders", *pool)});
//   if (!attachment.ok()) return attachment.status();          // kept for as long as the application runs
//
// Calls never depend on it. No sidecar, one that hangs or is started again: a line in the log, and it dials again.
#ifndef CHANPOOL_SERVER_ATTACH_ATTACHMENT_H_
#define CHANPOOL_SERVER_ATTACH_ATTACHMENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "pool/core/clock.h"
#include "server/admin/pool_registry.h"

namespace chanpool {

struct AttachOptions {
  // What operators call this application: processes/shop. A lower-case letter, then up to 62 lower-case letters, digits
  // or hyphens. Of several of that name at one sidecar the later ones are shown as shop-2, shop-3.
  std::string name;

  // The sidecar's attach socket. Default: $CHANPOOL_ATTACH; without that the first of /run/chanpool/attach.sock,
  // $XDG_RUNTIME_DIR/chanpool/attach.sock, /tmp/chanpool-<uid>/attach.sock that exists, looked for at each dial.
  std::string socket = "";

  // Gets one line for each change: attached, lost, not to be reached. Default: stderr. Called on the attachment's
  // thread; should not block.
  std::function<void(absl::string_view)> log = nullptr;

  // Default null: the process's. Outlives the attachment.
  Clock* clock = nullptr;
};

// Thread-safe. Has one thread, which waits. In a child after fork() it does nothing; the parent's goes on.
class Attachment {
 public:
  // Returns at once, whether or not there is a sidecar. kInvalidArgument for a name that is none, of the application or
  // of a pool; kAlreadyExists for two pools of one name.
  static absl::StatusOr<std::unique_ptr<Attachment>> Start(AttachOptions options,
                                                           std::vector<admin::PoolRegistry::Registration> pools);

  // Says goodbye, so that the sidecar forgets this application instead of showing it as LOST; then ends the connection
  // and the calls on it. The pools go on: what operators have overridden ends, and the owner's options hold again; a
  // pool that operators have drained stays so until its owner resumes it. Prompt: a sidecar that does not answer is
  // waited for a second.
  ~Attachment();
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  // Shows one more pool. kInvalidArgument, kAlreadyExists as Start; kFailedPrecondition in a child after fork().
  absl::Status Add(admin::PoolRegistry::Registration pool);
  // The pool of this name has been redirected: its target and channel are shown as they are here. kNotFound;
  // kFailedPrecondition in a child after fork().
  absl::Status Update(const admin::PoolRegistry::Registration& pool);
  // Shows it no more; the pool itself goes on, as after ~Attachment. kNotFound; kFailedPrecondition in a child after
  // fork().
  absl::Status Remove(absl::string_view name);

  // What the sidecar calls this application now: "shop", "shop-2". Empty while not attached.
  std::string attached_as() const;

 private:
  class Server;
  explicit Attachment(std::unique_ptr<Server> server);

  const uint64_t born_;  // ForkEpoch().
  std::unique_ptr<Server> server_;
};

}  // namespace chanpool
#endif  // CHANPOOL_SERVER_ATTACH_ATTACHMENT_H_
