#include "tests/admin/admin_fixture.h"

#include "absl/strings/str_cat.h"
#include "google/rpc/status.pb.h"
#include "server/admin/proto_time.h"
#include "server/admin/status_details.h"
#include "tests/fakes/eventually.h"

namespace chanpool::admin {
namespace {

// Who it is stands in the metadata, as a test's caller says; a real server asks the kernel.
absl::StatusOr<Caller> BelieveMetadata(const CallFacts& facts) {
  const auto role = facts.metadata.find("role");
  if (role == facts.metadata.end()) return absl::UnauthenticatedError("no role");
  Caller caller{role->second, Role::ROLE_UNSPECIFIED};
  if (role->second == "viewer") caller.role = Role::ROLE_VIEWER;
  if (role->second == "operator") caller.role = Role::ROLE_OPERATOR;
  return caller;
}

}  // namespace

absl::StatusOr<v1::GetConfigResponse> FakeConfig::Get(v1::ConfigView view) {
  v1::GetConfigResponse response;
  response.set_yaml(v1::ConfigView_Name(view));
  return response;
}

absl::StatusOr<v1::ReloadConfigResponse> FakeConfig::Reload(const v1::ReloadConfigRequest&, const Caller& caller) {
  reloaded_by = caller.identity;
  if (during_reload) during_reload();
  if (!reload_error.ok()) return reload_error;
  v1::ReloadConfigResponse response;
  response.set_generation(2);
  return response;
}

void FakeConfig::Describe(v1::Instance& instance) {
  instance.set_config_path("/etc/chanpool/chanpoold.yaml");
  instance.set_config_generation(1);
}

std::vector<v1::AttachedProcess> FakeRemote::Processes() {
  v1::AttachedProcess process;
  process.set_name("processes/shop");
  return {process};
}

FakeRemote::FakeRemote() {
  Tell([](Answers& answers) {
    answers.pool.set_name("processes/shop/pools/carts");
    answers.pool.set_admin_state(v1::ADMIN_STATE_ACTIVE);
    answers.pool.set_health(v1::HEALTH_HEALTHY);
    answers.operations.emplace_back().set_name("processes/shop/operations/1");
  });
}

void FakeRemote::Tell(const std::function<void(Answers&)>& change) {
  MutexLock lock(&mu_);
  change(answers_);
}

FakeRemote::Answers FakeRemote::answers() const {
  MutexLock lock(&mu_);
  return answers_;
}

std::string FakeRemote::called() const {
  MutexLock lock(&mu_);
  return called_;
}

std::vector<v1::Pool> FakeRemote::Pools() { return {answers().pool}; }

absl::optional<v1::Pool> FakeRemote::FindPool(absl::string_view name) {
  const v1::Pool pool = answers().pool;
  return name == pool.name() ? absl::make_optional(pool) : absl::nullopt;
}

std::vector<v1::PoolStats> FakeRemote::Stats() {
  v1::PoolStats stats;
  stats.set_name("processes/shop/pools/carts");
  return {stats};
}

std::vector<v1::Operation> FakeRemote::Operations() { return answers().operations; }

void FakeRemote::Call(absl::string_view process, absl::string_view method, const google::protobuf::Message& /*request*/,
                      const Caller& /*caller*/, absl::Time /*deadline*/, google::protobuf::Message* response,
                      std::function<void(absl::Status)> done) {
  if (process != "shop") return done(absl::NotFoundError(absl::StrCat("there is no process ", std::string(process))));
  {
    MutexLock lock(&mu_);
    called_ = absl::StrCat(process, " ", method);
  }
  const Answers told = answers();
  if (told.during_call) told.during_call();
  if (!told.call_error.ok()) return done(told.call_error);
  if (method == "GetOperation") {
    auto* operation = static_cast<v1::GetOperationResponse*>(response)->mutable_operation();
    operation->set_name("processes/shop/operations/1");
    operation->mutable_progress()->set_leases_remaining(1);
    if (ended) operation->mutable_end_time()->set_seconds(1);
  }
  ++asked;
  done(absl::OkStatus());
}

AdminFixture::~AdminFixture() {
  channel_ = nullptr;
  if (server_ != nullptr) server_->Shutdown(chanpool::testing::DeadlineIn(absl::ZeroDuration()));
  server_ = nullptr;
  for (const auto& [name, pool] : pools_) {
    (void)registry_.Remove(name);
    EXPECT_EQ(pool->CheckInvariants(), absl::OkStatus());
    pool->Destroy();
  }
  closer_.RunAll();
}

void AdminFixture::StartServer() {
  PoolAdmin::Options options;
  options.registry = &registry_;
  options.events = &events_;
  options.config = use_config_ ? &config_ : nullptr;
  options.remote = use_remote_ ? &remote_ : nullptr;
  options.clock = &clock_;
  options.name = "tester";
  options.listeners = {"tcp:127.0.0.1:7400"};
  admin_ = std::make_shared<PoolAdmin>(std::move(options));
  service_ = std::make_unique<PoolAdminService>(
      admin_, PoolAdminServiceOptions{authorize_ == nullptr ? BelieveMetadata : authorize_});
  health_ = std::make_unique<HealthService>(admin_);
  reflection_ = std::make_unique<ReflectionService>(ReflectionService::Version::kV1);
  reflection_alpha_ = std::make_unique<ReflectionService>(ReflectionService::Version::kV1Alpha);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(1 << 20);
  builder.RegisterService(service_.get());
  builder.RegisterService(health_.get());
  builder.RegisterService(reflection_.get());
  builder.RegisterService(reflection_alpha_.get());
  server_ = builder.BuildAndStart();
  ASSERT_NE(server_, nullptr);
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // Its windows stay small, so that a slow reader holds its server up.
  channel_ = grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials(), arguments);
  stub_ = v1::PoolAdmin::NewStub(channel_);
}

PoolOptions AdminFixture::SmallPool() {
  PoolOptions options;
  options.min_connections = 1;
  options.max_connections = 2;
  options.max_leases_per_connection = options.target_leases_per_connection = 2;
  options.max_age = options.max_idle = absl::InfiniteDuration();
  return options;
}

std::shared_ptr<Pool> AdminFixture::AddPool(const std::string& name, const PoolOptions& options) {
  auto pool = Pool::Create({name, options, target_.NewConnector(), &clock_, &closer_, /*seed=*/1});
  EXPECT_EQ(registry_.Add({name, absl::StrCat("dns:///", name, ":50051"), pool}), absl::OkStatus());
  pools_[name] = pool;
  Settle();
  return pool;
}

std::unique_ptr<grpc::ClientContext> AdminFixture::NewContext() {
  auto context = std::make_unique<grpc::ClientContext>();
  if (!role_.empty()) context->AddMetadata("role", role_);
  context->set_deadline(chanpool::testing::DeadlineIn(3 * chanpool::testing::kLimit));
  return context;
}

std::shared_ptr<grpc::Channel> AdminFixture::channel() {
  if (server_ == nullptr) StartServer();
  return channel_;
}

AdminFixture::Stub& AdminFixture::stub() {
  if (server_ == nullptr) StartServer();
  return *stub_;
}

v1::Pool AdminFixture::GetPool(const std::string& name) {
  v1::GetPoolRequest request;
  request.set_name(name);
  return Get(&Stub::GetPool, request).pool();
}

v1::Operation AdminFixture::GetOperation(const std::string& name) {
  v1::GetOperationRequest request;
  request.set_name(name);
  return Get(&Stub::GetOperation, request).operation();
}

std::vector<std::string> AdminFixture::MessagesOf(v1::EventType type) const {
  std::vector<std::string> messages;
  for (const v1::Event& event : events_.Read(0, EventLog::kCapacity).events) {
    if (event.type() == type) messages.push_back(event.message());
  }
  return messages;
}

google::rpc::ErrorInfo InfoOf(const grpc::Status& status) {
  google::rpc::ErrorInfo info;
  EXPECT_TRUE(FindDetail(status, &info)) << status.error_code() << ": " << status.error_message();
  EXPECT_EQ(info.domain(), kErrorDomain);
  return info;
}

google::rpc::BadRequest BadRequestOf(const grpc::Status& status) {
  google::rpc::BadRequest bad_request;
  EXPECT_TRUE(FindDetail(status, &bad_request)) << status.error_code() << ": " << status.error_message();
  return bad_request;
}

std::vector<std::string> FieldsOf(const grpc::Status& status) {
  std::vector<std::string> fields;
  const google::rpc::BadRequest bad_request = BadRequestOf(status);
  for (const auto& violation : bad_request.field_violations()) fields.push_back(violation.field());
  return fields;
}

}  // namespace chanpool::admin
