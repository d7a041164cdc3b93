#include "pool/grpc/transport_options.h"

#include <grpc/compression.h>
#include <grpc/grpc.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace chanpool {
namespace {

constexpr int64_t kLeastMessage = 1024;
constexpr int64_t kMostBytes = std::numeric_limits<int>::max();
constexpr int64_t kMostMetadata = 16 << 20;     // What HTTP/2's setting can say to gRPC.
constexpr int64_t kMostFrame = (1 << 24) - 1;   // Of HTTP/2.
constexpr int64_t kMostWriteBuffer = 64 << 20;  // gRPC takes more for the default.
constexpr int64_t kMostTable = 1 << 20;

// One option that is a number, and gRPC's name for it.
struct Number {
  const char* option;
  const char* key;
  int64_t TransportOptions::*value;
  int64_t least, most;  // Of an int: gRPC takes no more.
  bool only_without_bdp_probe = false;
};
constexpr Number kNumbers[] = {
    {"max_receive_message_bytes", GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, &TransportOptions::max_receive_message_bytes,
     kLeastMessage, kMostBytes},
    {"max_send_message_bytes", GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, &TransportOptions::max_send_message_bytes,
     kLeastMessage, kMostBytes},
    {"max_metadata_bytes", GRPC_ARG_MAX_METADATA_SIZE, &TransportOptions::max_metadata_bytes, 1024, kMostMetadata},
    {"initial_window_bytes", GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, &TransportOptions::initial_window_bytes, 1024,
     kMostBytes, /*only_without_bdp_probe=*/true},
    {"max_frame_bytes", GRPC_ARG_HTTP2_MAX_FRAME_SIZE, &TransportOptions::max_frame_bytes, 16384, kMostFrame,
     /*only_without_bdp_probe=*/true},
    {"write_buffer_bytes", GRPC_ARG_HTTP2_WRITE_BUFFER_SIZE, &TransportOptions::write_buffer_bytes, 0,
     kMostWriteBuffer},
    {"hpack_decoder_bytes", GRPC_ARG_HTTP2_HPACK_TABLE_SIZE_DECODER, &TransportOptions::hpack_decoder_bytes, 0,
     kMostTable},
    {"hpack_encoder_bytes", GRPC_ARG_HTTP2_HPACK_TABLE_SIZE_ENCODER, &TransportOptions::hpack_encoder_bytes, 0,
     kMostTable},
};

bool IsSet(const TransportOptions& options, const Number& number) {
  return options.*number.value != TransportOptions().*number.value;
}

grpc_compression_algorithm AlgorithmOf(Compression compression) {
  switch (compression) {
    case Compression::kNone:
      return GRPC_COMPRESS_NONE;
    case Compression::kDeflate:
      return GRPC_COMPRESS_DEFLATE;
    case Compression::kGzip:
      return GRPC_COMPRESS_GZIP;
  }
  return GRPC_COMPRESS_NONE;
}

// What every grpc::ChannelArguments begins with.
bool IsGrpcsOwn(const grpc_arg& argument) {
  return absl::string_view(argument.key) == GRPC_ARG_PRIMARY_USER_AGENT_STRING && argument.type == GRPC_ARG_STRING &&
         argument.value.string == absl::StrCat("grpc-c++/", grpc::Version());
}

// The option that sets this key, or null.
const char* SetBy(const TransportOptions& options, absl::string_view key) {
  for (const Number& number : kNumbers) {
    if (key == number.key && IsSet(options, number)) return number.option;
  }
  if (key == GRPC_ARG_PRIMARY_USER_AGENT_STRING && !options.user_agent_prefix.empty()) return "user_agent_prefix";
  if (key == GRPC_COMPRESSION_CHANNEL_DEFAULT_ALGORITHM && options.compression != Compression::kNone) {
    return "compression";
  }
  if (key == GRPC_ARG_HTTP2_BDP_PROBE && !options.bdp_probe) return "bdp_probe";
  if ((key == GRPC_ARG_ENABLE_HTTP_PROXY || key == GRPC_ARG_HTTP_PROXY) && !options.http_proxy) return "http_proxy";
  return nullptr;
}

}  // namespace

std::vector<absl::Status> TransportProblems(const TransportOptions& options) {
  std::vector<absl::Status> problems;
  const auto add = [&problems](absl::string_view option, const std::string& what, const std::string& instead) {
    problems.push_back(absl::InvalidArgumentError(absl::StrCat("transport.", option, ": ", what, "; ", instead)));
  };
  for (const Number& number : kNumbers) {
    const int64_t value = options.*number.value;
    if (value < number.least || value > number.most) {
      const bool low = value < number.least;
      const int64_t nearest = low ? number.least : number.most;
      add(number.option, absl::StrCat(value, low ? " is below " : " is above ", nearest),
          absl::StrCat("set ", nearest));
    } else if (number.only_without_bdp_probe && options.bdp_probe && IsSet(options, number)) {
      add(number.option, "holds for nothing while bdp_probe is on", "set bdp_probe to false as well, or leave it out");
    }
  }
  const std::string& agent = options.user_agent_prefix;
  if (agent.size() > kMaxUserAgentPrefix) {
    add("user_agent_prefix", absl::StrCat("has ", agent.size(), " characters"),
        absl::StrCat("set at most ", kMaxUserAgentPrefix));
  } else if (!std::all_of(agent.begin(), agent.end(), absl::ascii_isprint) ||
             absl::StripAsciiWhitespace(agent) != agent) {
    add("user_agent_prefix", "has a character that no header may have, or a space at an end",
        "set one such as orders/1.4");
  }
  return problems;
}

absl::Status ValidateTransport(const TransportOptions& options, const grpc::ChannelArguments& arguments) {
  const std::vector<absl::Status> problems = TransportProblems(options);
  if (!problems.empty()) return problems.front();
  const grpc_channel_args given = arguments.c_channel_args();
  for (size_t i = 0; i < given.num_args; ++i) {
    const char* const option = SetBy(options, given.args[i].key);
    if (option == nullptr || IsGrpcsOwn(given.args[i])) continue;
    return absl::InvalidArgumentError(absl::StrCat("channel_arguments: ", given.args[i].key, " is set by transport.",
                                                   option, " as well; leave it out of one"));
  }
  return absl::OkStatus();
}

void ApplyTransport(const TransportOptions& options, grpc::ChannelArguments& arguments) {
  for (const Number& number : kNumbers) {
    if (IsSet(options, number)) arguments.SetInt(number.key, static_cast<int>(options.*number.value));
  }
  if (!options.user_agent_prefix.empty()) arguments.SetUserAgentPrefix(options.user_agent_prefix);
  if (options.compression != Compression::kNone) arguments.SetCompressionAlgorithm(AlgorithmOf(options.compression));
  if (!options.bdp_probe) arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  if (!options.http_proxy) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
}

}  // namespace chanpool
