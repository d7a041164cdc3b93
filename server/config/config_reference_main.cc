// Prints docs/config.md.
#include <cstdio>

#include "server/config/config_reference.h"

int main() { return std::fputs(chanpool::config::ConfigReference().c_str(), stdout) < 0 ? 1 : 0; }
