// Between gRPC's byte buffers and plain bytes, for the few calls that the pool makes itself.
#ifndef CHANPOOL_POOL_GRPC_MESSAGE_BYTES_H_
#define CHANPOOL_POOL_GRPC_MESSAGE_BYTES_H_

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>

#include <string>

#include "absl/strings/string_view.h"

namespace chanpool {

// Owned by the caller: grpc_byte_buffer_destroy.
inline grpc_byte_buffer* MessageOf(absl::string_view bytes) {
  grpc_slice slice = grpc_slice_from_copied_buffer(bytes.data(), bytes.size());
  grpc_byte_buffer* message = grpc_raw_byte_buffer_create(&slice, 1);
  grpc_slice_unref(slice);
  return message;
}

// Empty for null, and for what cannot be read (a compressed message that is broken).
inline std::string BytesOf(grpc_byte_buffer* message) {
  grpc_byte_buffer_reader reader;
  if (message == nullptr || grpc_byte_buffer_reader_init(&reader, message) == 0) return "";
  const grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
  std::string bytes(reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(all)), GRPC_SLICE_LENGTH(all));
  grpc_slice_unref(all);
  grpc_byte_buffer_reader_destroy(&reader);
  return bytes;
}

}  // namespace chanpool
#endif  // CHANPOOL_POOL_GRPC_MESSAGE_BYTES_H_
