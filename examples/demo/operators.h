// The second half of the demo: a sidecar and a microservice with embedded pools, seen and steered by grpcurl and
// poolctl while real calls run.
//
//   absl::Status shown = ShowOperators(upstream, /*keep=*/false, report);
#ifndef CHANPOOL_EXAMPLES_DEMO_OPERATORS_H_
#define CHANPOOL_EXAMPLES_DEMO_OPERATORS_H_

#include "absl/status/status.h"
#include "examples/demo/report.h"
#include "examples/demo/upstream_process.h"

namespace chanpool::demo {

// About 20 s. With `keep` it then prints commands to try, and lets everything run until Ctrl-C. Fails when a program
// that it needs does not start.
absl::Status ShowOperators(const UpstreamProcess& upstream, bool keep, Report& report);

}  // namespace chanpool::demo
#endif  // CHANPOOL_EXAMPLES_DEMO_OPERATORS_H_
