//! What methods look like to clients of JSON over HTTP, as OpenAPI 3.1.
