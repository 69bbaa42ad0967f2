"""Runs cases of gRPC's interop tests with grpcio, whose HTTP/2 has nothing in common with the one of the host.

    client.py ADDRESS DESCRIPTORS

DESCRIPTORS is a file with the encoded FileDescriptorSet of the services. One line for each case says how it went; the
exit code is 1 if any went wrong. The cases are those of `tests/interop/src`, which says more about them.
"""

import itertools
import queue
import sys
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# A call takes no longer than this, unless its case says so, in seconds.
LONG = 20

REQUESTS = (27182, 8, 1828, 45904)
ANSWERS = (31415, 9, 2653, 58979)


class Service:
    """What generated code would be: the methods of a service by their names."""

    def __init__(self, channel, pool, name):
        for method in pool.FindServiceByName(name).methods:
            kind = ("stream" if method.client_streaming else "unary", "stream" if method.server_streaming else "unary")
            call = getattr(channel, "_".join(kind))(
                f"/{name}/{method.name}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
            )
            setattr(self, method.name, call)


class Interop:
    def __init__(self, channel, pool):
        self.channel = channel
        self.test = Service(channel, pool, "grpc.testing.TestService")
        self.nobody = Service(channel, pool, "grpc.testing.UnimplementedService")

        def message(name):
            return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"grpc.testing.{name}"))

        self.Empty = message("Empty")
        self.Simple = message("SimpleRequest")
        self.Input = message("StreamingInputCallRequest")
        self.Output = message("StreamingOutputCallRequest")

    def large(self):
        return self.Simple(response_size=314159, payload={"body": bytes(271828)})

    def asking(self, answers, request, interval_us=0):
        parameters = [{"size": size, "interval_us": interval_us} for size in answers]
        return self.Output(response_parameters=parameters, payload={"body": bytes(request)})

    # Unary.

    def empty_unary(self):
        equal(self.test.EmptyCall(self.Empty(), timeout=LONG), self.Empty())

    def large_unary(self):
        zeros(self.test.UnaryCall(self.large(), timeout=LONG), 314159)

    def cacheable_unary(self):
        request = self.Simple(payload={"body": str(time.time_ns()).encode()})
        for _ in range(2):
            metadata = (("x-user-ip", "1.2.3.4"),)
            answer = self.test.CacheableUnaryCall(request, timeout=LONG, metadata=metadata)
            assert answer.payload.body.isdigit(), answer

    def concurrent_large_unary(self):
        for call in [self.test.UnaryCall.future(self.large(), timeout=LONG) for _ in range(16)]:
            zeros(call.result(), 314159)

    def rpc_soak(self):
        for _ in range(20):
            self.large_unary()

    # Compressed, as far as this client can: whole calls. It does not say what of an answer was compressed.

    def client_compressed_unary(self):
        request = self.large()
        request.expect_compressed.value = True
        probe = self.test.UnaryCall.future(request, timeout=LONG)
        equal(ended(probe, result), grpc.StatusCode.INVALID_ARGUMENT)
        zeros(self.test.UnaryCall(request, timeout=LONG, compression=grpc.Compression.Gzip), 314159)
        request.expect_compressed.value = False
        zeros(self.test.UnaryCall(request, timeout=LONG), 314159)

    def server_compressed_unary(self):
        request = self.large()
        for compressed in (True, False):
            request.response_compressed.value = compressed
            zeros(self.test.UnaryCall(request, timeout=LONG), 314159)

    def client_compressed_streaming(self):
        request = self.Input(payload={"body": bytes(27182)}, expect_compressed={"value": True})
        probe = self.test.StreamingInputCall.future(iter([request]), timeout=LONG)
        equal(ended(probe, result), grpc.StatusCode.INVALID_ARGUMENT)
        call = self.test.StreamingInputCall
        answer = call(iter([request, request]), timeout=LONG, compression=grpc.Compression.Gzip)
        equal(answer.aggregated_payload_size, 54364)

    def server_compressed_streaming(self):
        wanted = ((True, 31415), (False, 92653))
        parameters = [{"size": size, "compressed": {"value": compressed}} for compressed, size in wanted]
        answers = self.test.StreamingOutputCall(self.Output(response_parameters=parameters), timeout=LONG)
        sizes(answers, [size for _, size in wanted])

    # Streams.

    def client_streaming(self):
        requests = (self.Input(payload={"body": bytes(size)}) for size in REQUESTS)
        equal(self.test.StreamingInputCall(requests, timeout=LONG).aggregated_payload_size, 74922)

    def server_streaming(self):
        request = self.asking(ANSWERS, 0)
        sizes(self.test.StreamingOutputCall(request, timeout=LONG), ANSWERS)

    def ping_pong(self):
        requests = queue.SimpleQueue()
        answers = self.test.FullDuplexCall(iter(requests.get, None), timeout=LONG)
        for request, answer in zip(REQUESTS, ANSWERS):
            requests.put(self.asking([answer], request))
            zeros(next(answers), answer)
        requests.put(None)
        sizes(answers, ())

    def half_duplex(self):
        requests = (self.asking([answer], request) for request, answer in zip(REQUESTS, ANSWERS))
        sizes(self.test.HalfDuplexCall(requests, timeout=LONG), ANSWERS)

    def empty_stream(self):
        sizes(self.test.FullDuplexCall(iter(()), timeout=LONG), ())

    def intervals(self):
        started = time.monotonic()
        sizes(self.test.StreamingOutputCall(self.asking((1, 2, 3), 0, 20_000), timeout=LONG), (1, 2, 3))
        took = time.monotonic() - started
        assert took >= 0.058, f"three pauses of 20 ms took {took} s"

    # Metadata and statuses.

    def custom_metadata(self):
        initial = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
        trailing = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")
        answer, call = self.test.UnaryCall.with_call(self.large(), timeout=LONG, metadata=(initial, trailing))
        zeros(answer, 314159)
        conversation = self.test.FullDuplexCall(
            iter([self.asking([314159], 271828)]), timeout=LONG, metadata=(initial, trailing)
        )
        sizes(conversation, [314159])
        for ended in (call, conversation):
            assert initial in pairs(ended.initial_metadata()), ended.initial_metadata()
            assert trailing in pairs(ended.trailing_metadata()), ended.trailing_metadata()
            assert trailing not in pairs(ended.initial_metadata()), ended.initial_metadata()

    def status_code_and_message(self, message="test status message"):
        wanted = {"code": 2, "message": message}
        unary = self.test.UnaryCall.future(self.Simple(response_status=wanted), timeout=LONG)
        equal((ended(unary, result), unary.details()), (grpc.StatusCode.UNKNOWN, message))
        stream = self.test.FullDuplexCall(iter([self.Output(response_status=wanted)]), timeout=LONG)
        equal((ended(stream), stream.details()), (grpc.StatusCode.UNKNOWN, message))

    def special_status_message(self):
        self.status_code_and_message("\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n")

    def unimplemented_method(self):
        call = self.test.UnimplementedCall.future(self.Empty(), timeout=LONG)
        equal(ended(call, result), grpc.StatusCode.UNIMPLEMENTED)

    def unimplemented_service(self):
        call = self.nobody.UnimplementedCall.future(self.Empty(), timeout=LONG)
        equal(ended(call, result), grpc.StatusCode.UNIMPLEMENTED)

    # Calls that do not come to their end.

    def cancel_after_begin(self):
        call = self.test.StreamingInputCall.future(iter(queue.SimpleQueue().get, None), timeout=LONG)
        call.cancel()
        equal(call.code(), grpc.StatusCode.CANCELLED)

    def cancel_after_first_response(self):
        requests = queue.SimpleQueue()
        call = self.test.FullDuplexCall(iter(requests.get, None), timeout=LONG)
        requests.put(self.asking([31415], 27182))
        zeros(next(call), 31415)
        call.cancel()
        equal(call.code(), grpc.StatusCode.CANCELLED)

    def timeout_on_sleeping_server(self):
        requests = itertools.chain([self.asking((), 27182)], iter(queue.SimpleQueue().get, None))
        call = self.test.FullDuplexCall(requests, timeout=0.001)
        equal(ended(call), grpc.StatusCode.DEADLINE_EXCEEDED)


NOT_CASES = ("__init__", "large", "asking")
CASES = [name for name, method in vars(Interop).items() if callable(method) and name not in NOT_CASES]


def equal(value, wanted):
    assert value == wanted, f"{value} and not {wanted}"


def zeros(answer, size):
    equal((answer.payload.type, len(answer.payload.body)), (0, size))
    assert not any(answer.payload.body), "not all bytes are zero"


def sizes(answers, wanted):
    for size, answer in itertools.zip_longest(wanted, answers):
        assert size is not None and answer is not None, f"{answer} and not a payload of {size} bytes"
        zeros(answer, size)


def result(call):
    return call.result()


def pairs(metadata):
    return [(key, value) for key, value in metadata]


def ended(call, read=list):
    """How a call ended, once all it answered has been read: the messages of a stream, or the one result."""
    try:
        answer = read(call)
    except grpc.RpcError:
        return call.code()
    raise AssertionError(f"the call succeeded with {answer}")


def main(address, descriptors):
    pool = descriptor_pool.DescriptorPool()
    with open(descriptors, "rb") as file:
        for described in descriptor_pb2.FileDescriptorSet.FromString(file.read()).file:
            pool.Add(described)
    wrong = 0
    # No proxy that the environment names, and one connection for all.
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        grpc.channel_ready_future(channel).result(timeout=LONG)
        for case in CASES:
            try:
                getattr(Interop(channel, pool), case)()
                print(f"{case}: ok", flush=True)
            except (AssertionError, grpc.RpcError, StopIteration) as error:
                wrong += 1
                print(f"{case}: {type(error).__name__}: {error}", flush=True)
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
