// The permissions of a socket and of its folder, as a configuration asks for them.
#ifndef CHANPOOL_SERVER_SIDECAR_SOCKET_MODE_H_
#define CHANPOOL_SERVER_SIDECAR_SOCKET_MODE_H_

#include <sys/types.h>

#include <cstdlib>
#include <string>

#include "server/socket/unix_listener.h"

namespace chanpool::sidecar {

// `octal` as "0660"; the configuration's reader has checked it. Without it the socket is for this user alone, or, where
// others are allowed, open to connect: the kernel says who does, and whoever is not allowed is refused then.
inline UnixListener::Options SocketOptions(const std::string& path, const std::string& octal, bool others_allowed) {
  UnixListener::Options options;
  options.path = path;
  options.mode = others_allowed ? 0666 : 0600;
  if (!octal.empty()) options.mode = static_cast<mode_t>(std::strtol(octal.c_str(), nullptr, 8));
  options.folder_mode = others_allowed ? 0711 : 0700;
  return options;
}

}  // namespace chanpool::sidecar
#endif  // CHANPOOL_SERVER_SIDECAR_SOCKET_MODE_H_
