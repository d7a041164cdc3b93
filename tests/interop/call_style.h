// grpc.testing.TestService as a caller uses it by each kind of stub: blocking, callback, completion queue.
//
//   const std::unique_ptr<Caller> caller = NewCaller(CallStyle::kCallback, pool->channel());
//   grpc::Status status = caller->EmptyCall(&context, request, &reply);
//   std::unique_ptr<Stream<Out, In>> stream = caller->FullDuplexCall(&context);
//
// Whatever the kind, a function returns once what it began has ended, so one test is for all of them. Nothing has a
// limit of its own: the context's deadline is the limit.
#ifndef CHANPOOL_TESTS_INTEROP_CALL_STYLE_H_
#define CHANPOOL_TESTS_INTEROP_CALL_STYLE_H_

#include <grpcpp/client_context.h>
#include <grpcpp/impl/channel_interface.h>
#include <grpcpp/support/status.h>

#include <memory>

#include "grpc/testing/empty.pb.h"
#include "grpc/testing/messages.pb.h"

namespace chanpool::testing {

// One streaming call. Each function ends the test's process when the call has no such direction. Finish() comes last,
// and once.
template <typename Request, typename Reply>
class Stream {
 public:
  virtual ~Stream() = default;
  // As those of grpc::ClientReaderWriter.
  virtual bool Write(const Request& request) = 0;
  virtual bool WritesDone() = 0;
  virtual bool Read(Reply* reply) = 0;
  virtual grpc::Status Finish() = 0;
};

// What a direction that a call does not have carries.
struct Nothing {};

using InputStream = Stream<grpc::testing::StreamingInputCallRequest, Nothing>;
using OutputStream = Stream<Nothing, grpc::testing::StreamingOutputCallResponse>;
using DuplexStream = Stream<grpc::testing::StreamingOutputCallRequest, grpc::testing::StreamingOutputCallResponse>;

enum class CallStyle { kBlocking, kCallback, kCompletionQueue };

const char* ToString(CallStyle style);

// Thread-safe; a stream is one thread's at a time. Contexts, requests and replies outlive their call.
class Caller {
 public:
  virtual ~Caller() = default;
  virtual grpc::Status EmptyCall(grpc::ClientContext* context, const grpc::testing::Empty& request,
                                 grpc::testing::Empty* reply) = 0;
  virtual grpc::Status UnaryCall(grpc::ClientContext* context, const grpc::testing::SimpleRequest& request,
                                 grpc::testing::SimpleResponse* reply) = 0;
  // TestService has this method, and no server implements it.
  virtual grpc::Status UnimplementedMethod(grpc::ClientContext* context) = 0;
  // A method of a service that no server has.
  virtual grpc::Status UnimplementedService(grpc::ClientContext* context) = 0;
  // `reply` is there after Finish().
  virtual std::unique_ptr<InputStream> StreamingInputCall(grpc::ClientContext* context,
                                                          grpc::testing::StreamingInputCallResponse* reply) = 0;
  virtual std::unique_ptr<OutputStream> StreamingOutputCall(
      grpc::ClientContext* context, const grpc::testing::StreamingOutputCallRequest& request) = 0;
  virtual std::unique_ptr<DuplexStream> FullDuplexCall(grpc::ClientContext* context) = 0;
};

std::unique_ptr<Caller> NewCaller(CallStyle style, const std::shared_ptr<grpc::ChannelInterface>& channel);

}  // namespace chanpool::testing
#endif  // CHANPOOL_TESTS_INTEROP_CALL_STYLE_H_
