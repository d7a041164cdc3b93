#include "server/config/transport_keys.h"

namespace chanpool::config {

TransportOptions ToTransportOptions(const chanpool::config::v1::Transport& transport) {
  TransportOptions options;
  if (transport.has_max_receive_message_bytes())
    options.max_receive_message_bytes = transport.max_receive_message_bytes();
  if (transport.has_max_send_message_bytes()) options.max_send_message_bytes = transport.max_send_message_bytes();
  if (transport.has_max_metadata_bytes()) options.max_metadata_bytes = transport.max_metadata_bytes();
  options.user_agent_prefix = transport.user_agent_prefix();
  if (transport.compression() == chanpool::config::v1::COMPRESSION_DEFLATE) options.compression = Compression::kDeflate;
  if (transport.compression() == chanpool::config::v1::COMPRESSION_GZIP) options.compression = Compression::kGzip;
  if (transport.has_bdp_probe()) options.bdp_probe = transport.bdp_probe();
  if (transport.has_initial_window_bytes()) options.initial_window_bytes = transport.initial_window_bytes();
  if (transport.has_max_frame_bytes()) options.max_frame_bytes = transport.max_frame_bytes();
  if (transport.has_write_buffer_bytes()) options.write_buffer_bytes = transport.write_buffer_bytes();
  if (transport.has_hpack_decoder_bytes()) options.hpack_decoder_bytes = transport.hpack_decoder_bytes();
  if (transport.has_hpack_encoder_bytes()) options.hpack_encoder_bytes = transport.hpack_encoder_bytes();
  if (transport.has_http_proxy()) options.http_proxy = transport.http_proxy();
  return options;
}

chanpool::config::v1::Transport ToProto(const TransportOptions& options) {
  const TransportOptions defaults;
  chanpool::config::v1::Transport transport;
  if (options.max_receive_message_bytes != defaults.max_receive_message_bytes)
    transport.set_max_receive_message_bytes(options.max_receive_message_bytes);
  if (options.max_send_message_bytes != defaults.max_send_message_bytes)
    transport.set_max_send_message_bytes(options.max_send_message_bytes);
  if (options.max_metadata_bytes != defaults.max_metadata_bytes)
    transport.set_max_metadata_bytes(options.max_metadata_bytes);
  transport.set_user_agent_prefix(options.user_agent_prefix);
  if (options.compression == Compression::kDeflate)
    transport.set_compression(chanpool::config::v1::COMPRESSION_DEFLATE);
  if (options.compression == Compression::kGzip) transport.set_compression(chanpool::config::v1::COMPRESSION_GZIP);
  if (!options.bdp_probe) transport.set_bdp_probe(false);
  if (options.initial_window_bytes != defaults.initial_window_bytes)
    transport.set_initial_window_bytes(options.initial_window_bytes);
  if (options.max_frame_bytes != defaults.max_frame_bytes) transport.set_max_frame_bytes(options.max_frame_bytes);
  if (options.write_buffer_bytes != defaults.write_buffer_bytes)
    transport.set_write_buffer_bytes(options.write_buffer_bytes);
  if (options.hpack_decoder_bytes != defaults.hpack_decoder_bytes)
    transport.set_hpack_decoder_bytes(options.hpack_decoder_bytes);
  if (options.hpack_encoder_bytes != defaults.hpack_encoder_bytes)
    transport.set_hpack_encoder_bytes(options.hpack_encoder_bytes);
  if (!options.http_proxy) transport.set_http_proxy(false);
  return transport;
}

}  // namespace chanpool::config
