//! Compressing and decompressing messages and bodies, within limits.
