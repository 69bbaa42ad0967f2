//! gRPC's frames: messages with their lengths in front.
