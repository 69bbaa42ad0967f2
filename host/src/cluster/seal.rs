//! Sealing of packets: confidentiality, authenticity, and no second life for old ones.
//!
//! The algorithm is XAES-256-GCM ([C2SP]): AES-256-GCM under a key derived for each packet, by CMAC, from the first
//! half of a nonce of 192 random bits. All nodes seal with one key and share no state, so nonces have to be random;
//! with the 96 bits of AES-GCM or ChaCha20-Poly1305 alone, a thousand nodes would come near the permitted number of
//! packets (2³², NIST SP 800-38D) within two days. 192 bits are enough for ever. It takes nothing but aws-lc-rs, which
//! is in the binary for TLS already, and is faster there than portable ChaCha20.
//!
//! A sealed packet:
//!
//! ```text
//! 1   format (1)
//! 4   hint: which key, a pseudo-random function of it; packets under unknown keys cost no cryptography
//! 24  nonce
//! ..  ciphertext of: 16 sender's id, 8 counter, 4 seconds since 1970, content
//! 16  tag
//! ```
//!
//! The associated data is a fixed label, the format and the cluster's name, so a packet of another cluster does not
//! open even if somebody gave both the same key. Nothing but the packet's size, time and addresses shows without a key.
//!
//! **Replays.** A packet opens once: each sender counts its packets, and [`replay`] keeps a window of 128 counters
//! per sender. A window may be forgotten once its packets are older than the clocks may differ, because by then the
//! time inside the packet alone refuses them. Both tables are filled by authentic packets only and have a bound.
//!
//! [C2SP]: https://c2sp.org/XAES-256-GCM

pub mod replay;
#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cmac;
use zeroize::Zeroizing;

use super::node::NodeId;
use super::wire::Reader;
use replay::{Replay, Verdict};

/// Largest sealed packet, in bytes: below the MTU of any network that is not antique, tunnels included.
pub const PACKET_BYTES_MAX: usize = 1_400;
/// By how many bytes a sealed packet is larger than its content.
pub const OVERHEAD_BYTES: usize = HEAD_BYTES + INNER_BYTES + TAG_BYTES;
/// Most keys in a ring: the primary, and others during a rotation.
pub const KEYS_MAX: usize = 4;

const FORMAT: u8 = 1;
const HINT_BYTES: usize = 4;
const NONCE_BYTES: usize = 24;
const HEAD_BYTES: usize = 1 + HINT_BYTES + NONCE_BYTES;
const INNER_BYTES: usize = 16 + 8 + 4;
const TAG_BYTES: usize = 16;

/// Why sealing or opening did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SealError {
    #[error("too short for a packet")]
    Short,
    #[error("larger than packets may be")]
    Large,
    #[error("not a packet of this format")]
    Format,
    #[error("sealed with an unknown key")]
    Key,
    #[error("not sealed by a node of this cluster, or damaged")]
    Forged,
    #[error("sent by this node")]
    Own,
    #[error("too old, or the clocks differ too much")]
    Clock,
    #[error("seen before")]
    Replayed,
    #[error("too many senders")]
    Full,
    #[error("a key has 64 hexadecimal digits")]
    KeyText,
    #[error("from 1 to {KEYS_MAX} different keys make a ring")]
    Ring,
    #[error("the cryptographic library failed")]
    Library,
}

/// A cluster's key: 32 bytes that are known to its nodes and nobody else.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new one, from the system's randomness.
    ///
    /// # Errors
    /// [`SealError::Library`] when the system has none.
    pub fn generate() -> Result<Self, SealError> {
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| SealError::Library)?;
        Ok(Self(bytes))
    }

    /// Reads what [`Secret::to_hex`] wrote.
    ///
    /// # Errors
    /// [`SealError::KeyText`], which does not repeat the text.
    pub fn from_hex(text: &str) -> Result<Self, SealError> {
        let text = text.trim();
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(SealError::KeyText);
        }
        let mut bytes = Zeroizing::new([0; 32]);
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| SealError::KeyText)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| SealError::KeyText)?;
        }
        Ok(Self(bytes))
    }

    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[derive(Debug)]
struct Key {
    mac: cmac::Key,
    hint: [u8; HINT_BYTES],
}

impl Key {
    fn new(secret: &Secret) -> Result<Self, SealError> {
        let mac = cmac::Key::new(cmac::AES_256, secret.0.as_slice()).map_err(|_| SealError::Library)?;
        // Longer than a block, so it cannot collide with what keys are derived from.
        let hint = cmac::sign(&mac, b"hostel gossip: hint of the key").map_err(|_| SealError::Library)?;
        let hint = hint.as_ref().first_chunk().copied().ok_or(SealError::Library)?;
        Ok(Self { mac, hint })
    }

    /// The key and the nonce of AES-256-GCM that XAES-256-GCM prescribes for `nonce`.
    fn derive(&self, nonce: &[u8; NONCE_BYTES]) -> Result<(LessSafeKey, Nonce), SealError> {
        let (first, second) = nonce.split_at(12);
        let mut derived = Zeroizing::new([0; 32]);
        for (half, counter) in derived.chunks_mut(16).zip(1_u8..) {
            let mut block = [0, counter, b'X', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            for (to, from) in block.iter_mut().skip(4).zip(first) {
                *to = *from;
            }
            let mac = cmac::sign(&self.mac, &block).map_err(|_| SealError::Library)?;
            half.copy_from_slice(mac.as_ref());
        }
        let key = UnboundKey::new(&AES_256_GCM, derived.as_slice()).map_err(|_| SealError::Library)?;
        let nonce = Nonce::try_assume_unique_for_key(second).map_err(|_| SealError::Library)?;
        Ok((LessSafeKey::new(key), nonce))
    }
}

/// The keys of a cluster. The first seals, all of them open.
///
/// To rotate without downtime: add the new key behind the old one on every node, then make it the first one
/// everywhere, then remove the old one.
#[derive(Debug)]
pub struct Keyring(Vec<Key>);

impl Keyring {
    /// # Errors
    /// [`SealError::Ring`] when there are too many keys or one twice.
    pub fn new(primary: &Secret, others: &[Secret]) -> Result<Self, SealError> {
        let keys =
            std::iter::once(primary).chain(others).take(KEYS_MAX + 1).map(Key::new).collect::<Result<Vec<_>, _>>()?;
        let twice = |(i, key): (usize, &Key)| keys.iter().take(i).any(|other| other.hint == key.hint);
        if keys.len() > KEYS_MAX || keys.iter().enumerate().any(twice) {
            return Err(SealError::Ring);
        }
        Ok(Self(keys))
    }
}

/// Seals a node's packets and opens those of others.
#[derive(Debug)]
pub struct Sealer {
    keys: Keyring,
    label: Vec<u8>,
    me: NodeId,
    counter: u64,
    replay: Replay,
}

impl Sealer {
    /// `skew_ms` is by how many milliseconds clocks may differ, `senders_max` how many senders are remembered.
    #[must_use]
    pub fn new(keys: Keyring, cluster: &str, me: NodeId, skew_ms: u64, senders_max: usize) -> Self {
        let mut label = b"hostel gossip\0".to_vec();
        label.push(FORMAT);
        label.extend_from_slice(cluster.as_bytes());
        Self { keys, label, me, counter: 0, replay: Replay::new(skew_ms.div_ceil(1_000), senders_max) }
    }

    /// Takes other keys from now on.
    pub fn set_keys(&mut self, keys: Keyring) {
        self.keys = keys;
    }

    /// Senders whose packets are counted: what the table of windows holds.
    #[must_use]
    pub fn senders(&self) -> usize {
        self.replay.len()
    }

    /// Seals `content` with the primary key. `unix_ms` is the time, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`SealError::Large`], or [`SealError::Library`].
    pub fn seal(&mut self, unix_ms: u64, content: &[u8]) -> Result<Vec<u8>, SealError> {
        if content.len() + OVERHEAD_BYTES > PACKET_BYTES_MAX {
            return Err(SealError::Large);
        }
        let key = self.keys.0.first().ok_or(SealError::Ring)?;
        let mut nonce = [0; NONCE_BYTES];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| SealError::Library)?;
        let (cipher, short) = key.derive(&nonce)?;
        self.counter += 1;
        let mut packet = Vec::with_capacity(content.len() + OVERHEAD_BYTES);
        packet.push(FORMAT);
        packet.extend_from_slice(&key.hint);
        packet.extend_from_slice(&nonce);
        packet.extend_from_slice(&self.me.as_u128().to_be_bytes());
        packet.extend_from_slice(&self.counter.to_be_bytes());
        packet.extend_from_slice(&seconds(unix_ms).to_be_bytes());
        packet.extend_from_slice(content);
        let (_, inner) = packet.split_at_mut_checked(HEAD_BYTES).ok_or(SealError::Library)?;
        let tag =
            cipher.seal_in_place_separate_tag(short, Aad::from(&self.label), inner).map_err(|_| SealError::Library)?;
        packet.extend_from_slice(tag.as_ref());
        Ok(packet)
    }

    /// Opens `packet` and leaves its content in `content`. Returns who sealed it.
    ///
    /// # Errors
    /// [`SealError`]; then `content` holds nothing to rely on.
    pub fn open(&mut self, unix_ms: u64, packet: &[u8], content: &mut Vec<u8>) -> Result<NodeId, SealError> {
        content.clear();
        if packet.len() < OVERHEAD_BYTES {
            return Err(SealError::Short);
        }
        if packet.len() > PACKET_BYTES_MAX {
            return Err(SealError::Large);
        }
        let mut reader = Reader::new(packet);
        let short = |_| SealError::Short;
        if reader.u8().map_err(short)? != FORMAT {
            return Err(SealError::Format);
        }
        let hint = reader.bytes(HINT_BYTES).map_err(short)?;
        let key = self.keys.0.iter().find(|key| key.hint == hint).ok_or(SealError::Key)?;
        let nonce = reader.bytes(NONCE_BYTES).map_err(short)?.first_chunk().ok_or(SealError::Short)?;
        let (cipher, short_nonce) = key.derive(nonce)?;
        content.extend_from_slice(reader.bytes(reader.remaining()).map_err(short)?);
        let opened =
            cipher.open_in_place(short_nonce, Aad::from(&self.label), content).map_err(|_| SealError::Forged)?.len();
        content.truncate(opened);
        let mut inner = Reader::new(content);
        let sender = inner.id().map_err(short)?;
        let counter = inner.u64().map_err(short)?;
        let sent_s = inner.u32().map_err(short)?;
        if sender == self.me {
            return Err(SealError::Own);
        }
        match self.replay.admit(seconds(unix_ms), sender, counter, sent_s) {
            Verdict::New => {}
            Verdict::Clock => return Err(SealError::Clock),
            Verdict::Seen => return Err(SealError::Replayed),
            Verdict::Full => return Err(SealError::Full),
        }
        content.drain(..INNER_BYTES);
        Ok(sender)
    }
}

/// Enough until 2106.
fn seconds(unix_ms: u64) -> u32 {
    u32::try_from(unix_ms / 1_000).unwrap_or(u32::MAX)
}
