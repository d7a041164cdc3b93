// One page of a list: at most so many, and a token that finds the next one.
//
//   Page page("ListPools", request.page_size(), request.page_token(), checks);
//   for (const Thing& thing : things) if (page.Takes(thing.key)) ...
//   response.set_next_page_token(page.next());
//
// The token holds the last key that was given, so what comes and goes meanwhile neither repeats nor hides the others.
#ifndef CHANPOOL_SERVER_ADMIN_PAGE_H_
#define CHANPOOL_SERVER_ADMIN_PAGE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "server/admin/request_checks.h"

namespace chanpool::admin {

// One request's. One thread at a time.
class Page {
 public:
  static constexpr int kDefaultSize = 100;
  static constexpr int kMaxSize = 1000;

  // `request` names the method and all that must be the same from page to page. What is wrong goes to `checks`.
  Page(std::string request, int32_t page_size, absl::string_view page_token, RequestChecks& checks);

  // Whether the item with this key is on the page. Keys come in ascending order, each once, all of them.
  bool Takes(absl::string_view key);
  // The token of the next page; empty when nothing was left out.
  std::string next() const;

 private:
  const std::string request_;
  int room_ = 0;
  std::string after_;  // The last key of the page before.
  std::string last_;   // The last key of this page.
  bool more_ = false;
};

}  // namespace chanpool::admin
#endif  // CHANPOOL_SERVER_ADMIN_PAGE_H_
