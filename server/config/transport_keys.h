// What a pool's `transport` in the configuration file means for its channels.
//
//   TransportOptions options = ToTransportOptions(pool.transport());   // TransportProblems(options) says what is wrong
#ifndef CHANPOOL_SERVER_CONFIG_TRANSPORT_KEYS_H_
#define CHANPOOL_SERVER_CONFIG_TRANSPORT_KEYS_H_

#include "chanpool/config/v1/config.pb.h"
#include "pool/grpc/transport_options.h"

namespace chanpool::config {

// What is left out has the library's default; numbers are taken as they are, also those that make no sense.
TransportOptions ToTransportOptions(const chanpool::config::v1::Transport& transport);
// `options` are valid. No key for what has the library's default.
chanpool::config::v1::Transport ToProto(const TransportOptions& options);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_TRANSPORT_KEYS_H_
