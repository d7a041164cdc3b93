// All pages of a list RPC.
//
//   ListAll<v1::Pool>(request, [&](const auto& page) { return client->ListPools(page, timeout); },
//                     [](auto& response) { return response.mutable_pools(); });
#ifndef CHANPOOL_CLIENT_CLI_LIST_PAGES_H_
#define CHANPOOL_CLIENT_CLI_LIST_PAGES_H_

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace chanpool::cli {

// More than any process has. A server that never comes to an end is an error, not an endless loop.
inline constexpr size_t kMaxPages = 1000;

// `call` is asked with the page token filled in; `items` says which field of the response holds them.
template <typename Item, typename Request, typename Call, typename Items>
absl::StatusOr<std::vector<Item>> ListAll(Request request, const Call& call, const Items& items) {
  std::vector<Item> all;
  request.set_page_size(1000);
  for (size_t page = 0; page < kMaxPages; ++page) {
    auto response = call(request);
    if (!response.ok()) return response.status();
    for (Item& item : *items(*response)) all.push_back(std::move(item));
    if (response->next_page_token().empty()) return all;
    request.set_page_token(response->next_page_token());
  }
  return absl::InternalError("the server's list does not end after 1000 pages");
}

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_LIST_PAGES_H_
