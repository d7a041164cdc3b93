// "pools/orders" in the application shop is "processes/shop/pools/orders" to whoever asks the sidecar. This rewrites
// the names in any message of PoolAdmin, both ways, by reflection and one table of the fields that hold names.
//
//   absl::Status ours = ToProcess("shop", request);      // processes/shop/pools/orders -> pools/orders
//   FromProcess("shop", response);                       // and back
#ifndef CHANPOOL_SERVER_ATTACH_PROCESS_NAMES_H_
#define CHANPOOL_SERVER_ATTACH_PROCESS_NAMES_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace chanpool::attach {

// Whether `field` holds the name of a pool, a connection, an operation or another resource of a process.
bool HoldsResourceName(const google::protobuf::FieldDescriptor& field);

// Names as the sidecar's clients see them become the process's own. kInvalidArgument when one is not of this process;
// the request is then half rewritten.
absl::Status ToProcess(absl::string_view process, google::protobuf::Message& request);

// The process's own names become those that the sidecar's clients see, also inside google.protobuf.Any.
void FromProcess(absl::string_view process, google::protobuf::Message& response);

// The same in an error (see admin::FromGrpcStatus): in its details, and in its text wherever the details name the pool
// or operation as well. What nothing but the text names stays: it may be anything.
absl::Status FromProcess(absl::string_view process, const absl::Status& error);

}  // namespace chanpool::attach
#endif  // CHANPOOL_SERVER_ATTACH_PROCESS_NAMES_H_
