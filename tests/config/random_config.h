// Configurations that nobody thought of, valid all the same.
//
//   std::mt19937 random(seed);
//   chanpool::config::v1::Config config = RandomConfig(random);
#ifndef CHANPOOL_TESTS_CONFIG_RANDOM_CONFIG_H_
#define CHANPOOL_TESTS_CONFIG_RANDOM_CONFIG_H_

#include <random>

#include "chanpool/config/v1/config.pb.h"

namespace chanpool::config {

chanpool::config::v1::Config RandomConfig(std::mt19937& random);

}  // namespace chanpool::config
#endif  // CHANPOOL_TESTS_CONFIG_RANDOM_CONFIG_H_
