#include "server/config/config_reference.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "chanpool/config/v1/config.pb.h"
#include "server/admin/enum_text.h"
#include "server/config/config_descriptors.h"
#include "server/config/schema.h"

namespace chanpool::config {
namespace {

using chanpool::config::v1::Config;
using chanpool::config::v1::ReloadClass;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::SourceLocation;

constexpr char kBeginning[] = R"(# Configuration

<!-- Made by `bazel run //server/config:config_reference > docs/config.md` from proto/chanpool/config/v1. -->

chanpoold reads one YAML file. A complete one:

```yaml
version: 1

admin:                                # PoolAdmin: for poolctl, grpcurl and programs
  listeners:
    - uds:
        path: /run/chanpool/admin.sock
        mode: "0660"
        allow_uids: [1000]
        role: operator
    - tcp:                            # anyone on this machine may look
        address: 127.0.0.1
        port: 7400
        role: viewer

http:                                 # /metrics, /healthz, /readyz
  listen:
    address: 127.0.0.1
    port: 9402

attach:                               # applications with pools of their own dial this socket
  uds:
    path: /run/chanpool/attach.sock
    mode: "0660"
    allow_uids: [1000, 1001]

defaults:                             # for every pool that does not say otherwise
  max_connections: 16
  connect_timeout: 2s
  acquire_timeout: 500ms

pools:
  - name: orders
    target: dns:///orders:50051
    keepalive:
      time: 6m
      timeout: 20s
      permit_without_calls: false
    health:
      check: watch
      service: shop.Orders
    retry:
      calls:
        - methods: [shop.Orders/GetOrder, shop.Stock]
          max_attempts: 4
          codes: [unavailable, resource_exhausted]
          initial_backoff: 20ms
          max_backoff: 500ms
          backoff_multiplier: 2
          attempt_timeout: 1s
          timeout: 5s
        - wait_for_ready: true        # every other call
          timeout: 30s
      max_tokens: 100
      token_ratio: 0.1
      buffer_bytes: 65536
    tls:                              # read again when they change; nothing is restarted
      ca_file: /etc/chanpool/ca.pem
      certificate_file: /etc/chanpool/orders.pem
      key_file: /etc/chanpool/orders.key
      server_name: orders.internal
      check_every: 10s
    transport:
      max_receive_message_bytes: 16777216
      max_send_message_bytes: 4194304
      max_metadata_bytes: 16384
      user_agent_prefix: orders/1.4
      compression: gzip
      bdp_probe: false                # or leave it out, and the next two with it
      initial_window_bytes: 1048576
      max_frame_bytes: 65536
      write_buffer_bytes: 65535
      hpack_decoder_bytes: 4096
      hpack_encoder_bytes: 4096
      http_proxy: false
    diversity:                        # behind a balancer of layer 4: no two connections on one backend
      backend_header: x-backend
      rerolls_per_minute: 6
    dns:
      servers: [10.0.0.2, "[2001:db8::2]:5353"]
      timeout: 2s
      min_ttl: 10s
      max_ttl: 1m
      min_interval: 5s
    min_connections: 2
    max_connections: 32
    max_leases_per_connection: 100
    target_leases_per_connection: 80
    max_surge: 2
    max_waiters: 500
    max_idle: 10m
    max_age: 30m
    max_age_jitter: 0.2
    drain_grace: 30s
    overflow: reject
    backoff_initial: 100ms
    backoff_max: 5s
    preconnect_ratio: 1.5
    max_connecting: 4
    max_connects_per_second: 20
    shrink_below: 0.5
    shrink_interval: 10s
    shrink_cooldown: 1m
    max_shrink_step: 2
    selection: pack
    leak_after: 5m
    validate_after_idle: 1m
    validate_every: infinite
    probe_after_silence: 10s
    probe_timeout: 2s
    subset_size: 20
    slow_start: 30s
    max_ejected: 0.2
    ejection_time: 1m
  - name: billing
    target: unix:/run/billing.sock
    endpoints:
      - address: unix:/run/billing-1.sock
        weight: 2
      - address: unix:/run/billing-2.sock
    max_age: infinite
```

The file is read strictly: one error, and nothing of it holds. All errors are told at once, each as
`file:line:column: path: message (hint)`.

- Durations have a unit: `250ms`, `2s`, `5m`, `1h`. Where it says so, `infinite`.
- Numbers are decimal. `true` and `false` are the only truth values.
- Text that reads as a number or a constant goes in quotes: `mode: "0600"`.
- There are no unknown or duplicate keys, no empty values, tabs, anchors, aliases, tags or merge keys. A file is one
  document of UTF-8, at most 1 MiB, 32 levels and 100,000 keys and values.

What a change of a key takes:

)";

// What protoc keeps of comments only in descriptor sets; the descriptors in the program have none.
class Comments {
 public:
  Comments() {
    google::protobuf::FileDescriptorSet files;
    const absl::string_view bytes = ConfigDescriptorSet();
    files.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
    for (const auto& file : files.file()) pool_.BuildFile(file);
  }

  std::string Of(const FieldDescriptor& field) const { return Text(pool_.FindFieldByName(field.full_name())); }
  std::string Of(const Descriptor& message) const { return Text(pool_.FindMessageTypeByName(message.full_name())); }
  std::string Of(const google::protobuf::EnumValueDescriptor& value) const {
    return Text(pool_.FindEnumValueByName(value.full_name()));
  }

 private:
  template <typename Described>
  static std::string Text(const Described* described) {
    SourceLocation location;
    if (described == nullptr || !described->GetSourceLocation(&location)) return "";
    const std::string text(absl::StripAsciiWhitespace(location.leading_comments));
    return absl::StrReplaceAll(text, {{"\n ", " "}, {"|", "\\|"}});
  }

  DescriptorPool pool_;
};

std::string Class(ReloadClass reload) {
  const auto* value = chanpool::config::v1::ReloadClass_descriptor()->FindValueByNumber(reload);
  return admin::EnumText(*value);
}

std::string ChildPath(const std::string& path, const FieldDescriptor& field) {
  return absl::StrCat(path, path.empty() ? "" : ".", field.name(), field.is_repeated() ? "[]" : "");
}

// Of a heading, as GitHub makes it.
std::string Anchor(absl::string_view path) {
  return absl::StrCat("#", absl::StrReplaceAll(path, {{".", ""}, {"[", ""}, {"]", ""}}));
}

std::string OneValue(const FieldDescriptor& field) {
  if (IsDuration(field)) return MayBeInfinite(field) ? "duration or `infinite`" : "duration";
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return "whole number";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "number";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "`true` or `false`";
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrCat("`", absl::StrJoin(EnumTexts(*field.enum_type()), "` or `"), "`");
    default:
      return "text";
  }
}

std::string ValueOf(const FieldDescriptor& field, const std::string& path) {
  const std::string one =
      IsScalar(field) ? OneValue(field) : absl::StrCat("[keys](", Anchor(ChildPath(path, field)), ")");
  if (!field.is_repeated()) return one;
  return IsScalar(field) ? absl::StrCat("list, each a ", one) : absl::StrCat("list of ", one);
}

std::string DefaultOf(const FieldDescriptor& field) {
  if (IsRequired(field)) return "required";
  return DefaultText(field).empty() ? "none" : absl::StrCat("`", DefaultText(field), "`");
}

class Reference {
 public:
  std::string Text() {
    out_ = kBeginning;
    const auto& classes = *chanpool::config::v1::ReloadClass_descriptor();
    for (int i = 1; i < classes.value_count(); ++i) {
      absl::StrAppend(&out_, "- **", admin::EnumText(*classes.value(i)), "**: ", comments_.Of(*classes.value(i)), "\n");
    }
    Section(*Config::descriptor(), "", ReloadClass::RELOAD_CLASS_HOT);
    return out_;
  }

 private:
  void Section(const Descriptor& message, const std::string& path, ReloadClass around) {
    absl::StrAppend(&out_, "\n## ", path.empty() ? "The file" : absl::StrCat("`", path, "`"), "\n\n",
                    comments_.Of(message), "\n\n",
                    "| key | meaning | value | default | a change |\n|---|---|---|---|---|\n");
    for (int i = 0; i < message.field_count(); ++i) Row(*message.field(i), path, around);
    for (int i = 0; i < message.field_count(); ++i) {
      if (!IsInline(*message.field(i))) continue;
      absl::StrAppend(&out_, "\nThe keys of [defaults](#defaults) stand here too, and have precedence.\n");
    }
    for (int i = 0; i < message.field_count(); ++i) {
      const FieldDescriptor& field = *message.field(i);
      if (!IsScalar(field) && !IsInline(field)) {
        Section(*field.message_type(), ChildPath(path, field), ReloadOf(field, around));
      }
    }
  }

  void Row(const FieldDescriptor& field, const std::string& path, ReloadClass around) {
    if (IsInline(field)) return;
    // What a change of a whole map takes is what a change of its keys takes.
    const bool by_key = !IsScalar(field) && ReloadOf(field, around) == ReloadClass::RELOAD_CLASS_HOT;
    absl::StrAppend(&out_, "| `", field.name(), "` | ", comments_.Of(field), " | ", ValueOf(field, path), " | ",
                    DefaultOf(field), " | ", by_key ? "by key" : Class(ReloadOf(field, around)), " |\n");
  }

  static bool IsInline(const FieldDescriptor& field) {
    return field.options().GetExtension(chanpool::config::v1::inline_);
  }

  const Comments comments_;
  std::string out_;
};

}  // namespace

std::string ConfigReference() { return Reference().Text(); }

}  // namespace chanpool::config
