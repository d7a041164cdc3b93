// What the key `diversity` of a pool means for the library.
//
//   options.diversity = ToDiversityOptions(pool.diversity());   // what is left out has the library's default
#ifndef CHANPOOL_SERVER_CONFIG_DIVERSITY_KEYS_H_
#define CHANPOOL_SERVER_CONFIG_DIVERSITY_KEYS_H_

#include "chanpool/config/v1/config.pb.h"
#include "pool/grpc/diversity_options.h"

namespace chanpool::config {

// It may still make no sense: see chanpool::Validate.
DiversityOptions ToDiversityOptions(const chanpool::config::v1::Diversity& diversity);

}  // namespace chanpool::config
#endif  // CHANPOOL_SERVER_CONFIG_DIVERSITY_KEYS_H_
