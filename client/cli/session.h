// What a command has at hand: the server, the format, the outside world.
//
//   absl::StatusOr<AdminClient*> client = session.client();
//   if (!client.ok()) return client.status();
//   session.Print(table);
//
// The connection is made when it is first asked for, so commands that need none work without a server.
#ifndef CHANPOOL_CLIENT_CLI_SESSION_H_
#define CHANPOOL_CLIENT_CLI_SESSION_H_

#include <google/protobuf/message.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/admin/admin_client.h"
#include "client/cli/environment.h"
#include "client/cli/table.h"

namespace chanpool::cli {

namespace v1 = ::chanpool::admin::v1;
using chanpool::admin::AdminClient;

enum class Format { kTable, kWide, kJson, kYaml, kName };

// What the global flags and their variables say.
struct Settings {
  std::string endpoint;  // Empty: the default place.
  Format format = Format::kTable;
  absl::Duration timeout = absl::Seconds(10);
  bool headers = true;
  bool colour = false;       // On standard output.
  bool talk_colour = false;  // On standard error.
};

// Used by one thread.
class Session {
 public:
  Session(Environment& environment, Settings settings);

  // kInvalidArgument for an endpoint that is none, kUnavailable if there is none at the default places. Does not
  // connect.
  absl::StatusOr<AdminClient*> client();
  // The same, once its server has answered within timeout(): for a watch, which has no deadline or a longer one.
  absl::StatusOr<AdminClient*> answering_client();
  // As it was given or found; for messages, after client().
  std::string endpoint() const;

  Environment& env() { return environment_; }
  const Settings& settings() const { return settings_; }
  Format format() const { return settings_.format; }
  absl::Duration timeout() const { return settings_.timeout; }
  absl::Time now() const { return environment_.now(); }
  bool ForPeople() const { return format() == Format::kTable || format() == Format::kWide; }

  // Data.
  void Write(absl::string_view text);
  void Print(const Table& table);
  // JSON or YAML, as format() says; of a list as {"items":[...]}.
  void PrintMessage(const google::protobuf::Message& message);
  void PrintJson(const std::string& json);
  // One message of a stream: a JSON line, or a YAML document.
  void PrintStreamed(const google::protobuf::Message& message);
  // Talk: a line to standard error.
  void Say(absl::string_view line);

  // How many columns a line may have; 0: any number.
  int columns() const;

 private:
  Environment& environment_;
  const Settings settings_;
  std::unique_ptr<AdminClient> client_;
};

// What was typed makes no sense: exit code 2.
absl::Status UsageError(absl::string_view message);
bool IsUsageError(const absl::Status& status);

}  // namespace chanpool::cli
#endif  // CHANPOOL_CLIENT_CLI_SESSION_H_
