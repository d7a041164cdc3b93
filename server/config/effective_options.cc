#include "server/config/effective_options.h"

#include <google/protobuf/descriptor.h>

#include "server/admin/pool_options_proto.h"

namespace chanpool::config {
namespace {

void Overlay(const chanpool::config::v1::PoolOptions& upper, chanpool::PoolOptions& options) {
  const google::protobuf::Descriptor& descriptor = *upper.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    admin::ApplyField(upper, descriptor.field(i)->name(), options).IgnoreError();
  }
}

}  // namespace

chanpool::PoolOptions EffectiveOptions(const chanpool::config::v1::Config& config,
                                       const chanpool::config::v1::PoolConfig& pool) {
  chanpool::PoolOptions options;
  Overlay(config.defaults(), options);
  Overlay(pool.options(), options);
  return options;
}

}  // namespace chanpool::config
