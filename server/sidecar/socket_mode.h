// The permissions of a socket, as a configuration writes them.
#ifndef CHANPOOL_SERVER_SIDECAR_SOCKET_MODE_H_
#define CHANPOOL_SERVER_SIDECAR_SOCKET_MODE_H_

#include <sys/types.h>

#include <cstdlib>
#include <string>

namespace chanpool::sidecar {

// "0660"; empty: 0600. The configuration's reader has checked that it is octal.
inline mode_t SocketMode(const std::string& octal) {
  return octal.empty() ? mode_t{0600} : static_cast<mode_t>(std::strtol(octal.c_str(), nullptr, 8));
}

}  // namespace chanpool::sidecar
#endif  // CHANPOOL_SERVER_SIDECAR_SOCKET_MODE_H_
