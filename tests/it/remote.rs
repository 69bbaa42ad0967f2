//! What only calls between hosts can meet: nodes that come and go, one service on several of them, and what others might
//! put into the fields that hosts talk to each other with. That a call is the same wherever its callee is, is what the
//! scenarios of `calls`, `limits` and `grants` say, which run both ways.

mod balance;
mod busy;
mod descriptors;
mod failures;
mod forged;
mod ipv6;
mod keys;
mod nodes;
mod strangers;
