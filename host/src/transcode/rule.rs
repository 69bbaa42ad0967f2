//! HTTP rules: which path and method calls which gRPC method, and which field comes from where.
