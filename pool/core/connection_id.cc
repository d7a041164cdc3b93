#include "pool/core/connection_id.h"

#include "absl/strings/str_cat.h"

namespace chanpool {

std::string ConnectionId::ToString() const { return absl::StrCat(slot, "-", generation); }

}  // namespace chanpool
