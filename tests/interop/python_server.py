"""grpc.testing.TestService on a stock grpcio server, as gRPC's interoperability test descriptions want it.

    python_server.py [--min-ping-seconds=2]

Says "serving on port N" once it does, and serves until it is killed.
"""

import argparse
import concurrent.futures
import sys
import time

import grpc

# grpcio-tools compiles on import what it finds below sys.path. The second line, since the modules are to be grpc.testing's,
# and there is a package grpc already.
sys.path.append("/usr/share/grpc-proto")
grpc.__path__.append("/usr/share/grpc-proto/grpc")
protos, services = grpc.protos_and_services("grpc/testing/test.proto")
messages = grpc.protos("grpc/testing/messages.proto")
empty = grpc.protos("grpc/testing/empty.proto")

# A stream that is held holds a thread.
MAX_CALLS = 64
ECHO_INITIAL = "x-grpc-test-echo-initial"
ECHO_TRAILING = "x-grpc-test-echo-trailing-bin"


def echo_metadata(context):
    for key, value in context.invocation_metadata():
        if key == ECHO_INITIAL:
            context.send_initial_metadata(((key, value),))
        if key == ECHO_TRAILING:
            context.set_trailing_metadata(((key, value),))


def end_as_asked(request, context):
    """Whether the request asks for a status of its own, which the call then has."""
    if not request.HasField("response_status"):
        return False
    code = next(code for code in grpc.StatusCode if code.value[0] == request.response_status.code)
    context.set_code(code)
    context.set_details(request.response_status.message)
    return True


def outputs(request):
    for parameters in request.response_parameters:
        if parameters.interval_us:
            time.sleep(parameters.interval_us / 1e6)
        yield messages.StreamingOutputCallResponse(payload={"body": bytes(parameters.size)})


# UnimplementedCall is left to the generated class, which says that it is not implemented.
class TestService(services.TestServiceServicer):
    def EmptyCall(self, request, context):
        echo_metadata(context)
        return empty.Empty()

    def UnaryCall(self, request, context):
        echo_metadata(context)
        if end_as_asked(request, context):
            return messages.SimpleResponse()
        return messages.SimpleResponse(payload={"body": bytes(request.response_size)})

    def StreamingOutputCall(self, request, context):
        if not end_as_asked(request, context):
            yield from outputs(request)

    def StreamingInputCall(self, requests, context):
        size = sum(len(request.payload.body) for request in requests)
        return messages.StreamingInputCallResponse(aggregated_payload_size=size)

    def FullDuplexCall(self, requests, context):
        echo_metadata(context)
        for request in requests:
            if end_as_asked(request, context):
                return
            yield from outputs(request)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--min-ping-seconds", type=float, help="pings that come faster are abuse; gRPC's default: 300")
    flags = parser.parse_args()
    # Else a second server on the same port would be no error.
    options = [("grpc.so_reuseport", 0)]
    if flags.min_ping_seconds is not None:
        options.append(("grpc.http2.min_ping_interval_without_data_ms", int(flags.min_ping_seconds * 1000)))
        options.append(("grpc.keepalive_permit_without_calls", 1))
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(MAX_CALLS), options=options)
    services.add_TestServiceServicer_to_server(TestService(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print("serving on port", port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
