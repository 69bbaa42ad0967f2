//! Packets of gossip: sealed ones as they arrive, and what is inside of those of somebody who has the key.

use crate::edit::{apply, choice, piece};
use crate::pair::{OTHER, Pair, sealer};

/// Takes a few packets, one after the other.
pub fn run(mut data: &[u8]) {
    let mut pair = Pair::new();
    let honest = pair.contents.clone();
    // A third node seals too; and the second one, whose counter has come far, is spoken for.
    let mut sealers = [sealer(hostel::cluster::NodeId::from_u128(3)), sealer(OTHER)];
    for _ in 0..100 {
        let _ = sealers[1].seal(pair.now.unix_ms, b"");
    }
    for _ in 0..8 {
        if data.is_empty() {
            break;
        }
        let (how, length) = (choice(&mut data), usize::from(choice(&mut data)) * 4);
        let bytes = piece(&mut data, length);
        let content = match how % 4 {
            0 => {
                pair.nodes[0].on_packet(pair.now, bytes);
                continue;
            }
            1 => bytes.to_vec(),
            _ => apply(&honest[usize::from(how / 8) % honest.len()], bytes),
        };
        let sealer = &mut sealers[usize::from(how / 4) % 2];
        if let Ok(packet) = sealer.seal(pair.now.unix_ms, &content) {
            pair.nodes[0].on_packet(pair.now, &packet);
        }
        pair.act();
    }
    pair.check();
}
