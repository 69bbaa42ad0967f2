use super::*;
use proptest::prelude::*;

const NOW: u64 = 1_800_000_000_000;

fn secret(byte: u8) -> Secret {
    Secret::from_bytes([byte; 32])
}

fn sealer(id: u128, cluster: &str, primary: u8, others: &[u8]) -> Sealer {
    let others: Vec<_> = others.iter().map(|byte| secret(*byte)).collect();
    let keys = Keyring::new(&secret(primary), &others).unwrap();
    Sealer::new(keys, cluster, NodeId::from_u128(id), 300_000, 100)
}

fn open(sealer: &mut Sealer, packet: &[u8]) -> Result<(NodeId, Vec<u8>), SealError> {
    let mut content = Vec::new();
    let id = sealer.open(NOW, packet, &mut content)?;
    Ok((id, content))
}

/// The two vectors of the specification.
#[test]
fn it_is_the_algorithm_of_the_specification() {
    for (byte, aad, sealed) in [
        (1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        (3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ] {
        let key = Key::new(&secret(byte)).unwrap();
        let (cipher, nonce) = key.derive(b"ABCDEFGHIJKLMNOPQRSTUVWX").unwrap();
        let mut text = b"XAES-256-GCM".to_vec();
        cipher.seal_in_place_append_tag(nonce, Aad::from(aad), &mut text).unwrap();
        let hex: String = text.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, sealed);
    }
}

#[test]
fn what_is_sealed_opens_once_and_shows_nothing() {
    let (mut a, mut b) = (sealer(1, "shop", 7, &[]), sealer(2, "shop", 7, &[]));
    let content = b"name of a node".repeat(20);
    let packet = a.seal(NOW, &content).unwrap();
    assert_eq!(packet.len(), content.len() + OVERHEAD_BYTES);
    assert!(!packet.windows(6).any(|part| content.starts_with(part)), "the content shows");
    assert!(!packet.windows(16).any(|part| part == 1_u128.to_be_bytes()), "the sender shows");
    assert_eq!(open(&mut b, &packet), Ok((NodeId::from_u128(1), content.clone())));
    assert_eq!(open(&mut b, &packet), Err(SealError::Replayed));
    assert_eq!(open(&mut a, &packet), Err(SealError::Own));
    let again = a.seal(NOW, &content).unwrap();
    assert_ne!(packet.get(5..29), again.get(5..29), "a nonce was used twice");
    let mut late = Vec::new();
    assert_eq!(b.open(NOW + 301_000, &again, &mut late), Err(SealError::Clock));
}

#[test]
fn another_key_or_another_name_opens_nothing() {
    let packet = sealer(1, "shop", 7, &[]).seal(NOW, b"hello").unwrap();
    assert_eq!(open(&mut sealer(2, "shop", 8, &[]), &packet), Err(SealError::Key));
    assert_eq!(open(&mut sealer(2, "shed", 7, &[]), &packet), Err(SealError::Forged));
}

#[test]
fn keys_rotate_without_a_moment_in_which_nodes_do_not_understand_each_other() {
    // Each step changes one node after the other; at any time all pairs have to understand each other.
    let steps: [(u8, &[u8]); 4] = [(1, &[]), (1, &[2]), (2, &[1]), (2, &[])];
    for pair in steps.windows(2) {
        let [(p, ps), (q, qs)] = pair else { unreachable!("windows of two") };
        let (mut old, mut new) = (sealer(1, "c", *p, ps), sealer(2, "c", *q, qs));
        let there = old.seal(NOW, b"x").unwrap();
        assert!(open(&mut new, &there).is_ok());
        let back = new.seal(NOW, b"y").unwrap();
        assert!(open(&mut old, &back).is_ok());
    }
    assert_eq!(Keyring::new(&secret(1), &[secret(1)]).unwrap_err(), SealError::Ring);
    assert_eq!(Keyring::new(&secret(1), &[2, 3, 4, 5].map(secret)).unwrap_err(), SealError::Ring);
}

#[test]
fn keys_are_written_in_hex_and_never_shown() {
    let key = Secret::generate().unwrap();
    let text = key.to_hex();
    assert_eq!(*Secret::from_hex(&format!(" {}\n", *text)).unwrap().to_hex(), *text);
    assert_eq!(format!("{key:?}"), "Secret(..)");
    for wrong in ["", "xy", &"g".repeat(64), &"é".repeat(32)] {
        assert_eq!(Secret::from_hex(wrong).unwrap_err(), SealError::KeyText);
    }
}

#[test]
fn sizes_are_checked_on_both_sides() {
    let (mut a, mut b) = (sealer(1, "c", 1, &[]), sealer(2, "c", 1, &[]));
    let most = vec![0; PACKET_BYTES_MAX - OVERHEAD_BYTES];
    let packet = a.seal(NOW, &most).unwrap();
    assert_eq!(packet.len(), PACKET_BYTES_MAX);
    assert!(open(&mut b, &packet).is_ok());
    assert_eq!(a.seal(NOW, &vec![0; most.len() + 1]), Err(SealError::Large));
    assert_eq!(open(&mut b, &vec![1; PACKET_BYTES_MAX + 1]), Err(SealError::Large));
}

proptest! {
    #[test]
    fn no_bit_can_be_changed_and_nothing_cut_off(bit in 0..8_usize, at in 0..100_usize, keep in 0..100_usize) {
        let (mut a, mut b) = (sealer(1, "c", 1, &[]), sealer(2, "c", 1, &[]));
        let packet = a.seal(NOW, &[5; 30]).unwrap();
        let mut flipped = packet.clone();
        flipped[at % packet.len()] ^= 1 << bit;
        prop_assert!(open(&mut b, &flipped).is_err());
        prop_assert!(open(&mut b, &packet[..keep % packet.len()]).is_err());
        prop_assert_eq!(b.senders(), 0);
        prop_assert!(open(&mut b, &packet).is_ok());
    }
}
