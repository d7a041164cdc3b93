// Where PoolAdmin is found on this machine when nobody says otherwise: one rule for the server that makes the socket
// and the clients that look for it.
//
//   for (const std::string& path : DefaultSockets("admin.sock")) ...     // the best place first
//
// The server takes the first whose folder it may write to; a client the first socket that it may open.
#ifndef CHANPOOL_PROTO_CHANPOOL_ADMIN_V1_DEFAULT_SOCKET_H_
#define CHANPOOL_PROTO_CHANPOOL_ADMIN_V1_DEFAULT_SOCKET_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace chanpool::admin {

// /run/chanpool/<name>, then $XDG_RUNTIME_DIR/chanpool/<name> where that is set, then /tmp/chanpool-<uid>/<name>.
std::vector<std::string> DefaultSockets(absl::string_view name);

}  // namespace chanpool::admin
#endif  // CHANPOOL_PROTO_CHANPOOL_ADMIN_V1_DEFAULT_SOCKET_H_
