//! The status of a gRPC call, as each protocol has it.
