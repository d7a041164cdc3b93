#include "client/cli/process.h"

int main(int argc, char** argv) { return chanpool::cli::RunProcess(argc, argv); }
