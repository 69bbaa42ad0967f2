//! The Connect protocol: envelopes, its end of stream, its errors, and calls in a query.
