//! gRPC-Web: trailers in the body, and bodies in base64.
