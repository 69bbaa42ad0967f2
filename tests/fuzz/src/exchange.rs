//! Messages in which nodes exchange all they know, as requests and as answers.

use std::time::Duration;

use bytes::Bytes;

use crate::edit::{apply, choice};
use crate::pair::Pair;

/// Takes one message, in one of both roles.
pub fn run(mut data: &[u8]) {
    let mut pair = Pair::new();
    let how = choice(&mut data);
    let honest = if how & 1 == 0 { &pair.requests } else { &pair.answers };
    let honest = &honest[usize::from(how / 8) % honest.len()];
    let message = if how & 2 == 0 { Bytes::copy_from_slice(data) } else { apply(honest, data).into() };
    if how & 4 == 0 {
        let now = pair.now;
        let _ = pair.nodes[0].answer(now, &message);
    } else {
        pair.forged = Some(message);
    }
    // It asks every second or so.
    pair.run(Duration::from_secs(3));
    for node in &pair.nodes {
        assert_eq!(node.offers().len(), 1, "it serves what it serves");
        assert!(node.members() <= 16);
    }
}
