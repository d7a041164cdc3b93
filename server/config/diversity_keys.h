// What the key `diversity` of a pool means for the library.
//
//   options.diversity = ToDiversityOptions(pool.diversity());   // what is left out has the library's default
//   *pool.mutable_diversity() = ToProto(options.diversity);     // what has it is left out
#ifndef CHANPOOL_SERVER_CONFIG_DIVERSITY_KEYS_H_
#define CHANPOOL_SERVER_CONFIG_DIVERSITY_KEYS_H_

#include "chanpool/config/v1/config.pb.h"
#include "pool/grpc/diversity_options.h"

namespace chanpool::config {

// It may still make no sense: see chanpool::Validate.
DiversityOptions ToDiversityOptions(const chanpool::config::v1::Diversity& diversity);

// backend_of is no key.
chanpool::config::v1::Diversity ToProto(const DiversityOptions& options);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_DIVERSITY_KEYS_H_
