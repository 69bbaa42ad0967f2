//! What the descriptors of a module say, ready for use.
