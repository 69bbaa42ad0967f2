//! Rotating the keys of the gossip without downtime.
//!
//! The first key of `gossip.keys` encrypts, all decrypt. So a new one is made behind the others ([`add`]) and brought to
//! all nodes; then it is made the first ([`promote`]), and that is brought to all nodes; then the others are dropped
//! ([`drop_others`]). Between the steps nodes may have either file: each decrypts what the other encrypts. Running
//! hosts notice that the file has changed.
//!
//! The file is rewritten as a whole, with one rename; comments in it are not kept. Two that change it at the same time may
//! undo each other's change.

use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::files::replace_keys;
use super::issue::new_gossip_key;
use super::{GossipKey, PkiError, gossip_keys};

/// Most keys in the file. A rotation needs two; gossip takes no more than this many.
pub const KEYS_MAX: usize = 4;

/// What tells keys apart and says nothing about them: the first bytes of a hash, in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 6]);

impl Fingerprint {
    fn of(key: &GossipKey) -> Self {
        // With a text in front, so that no hash of a key that is used elsewhere is ever shown.
        let digest = Sha256::new().chain_update(b"hostel gossip key: fingerprint\0").chain_update(key).finalize();
        let mut bytes = [0; 6];
        for (byte, from) in bytes.iter_mut().zip(digest) {
            *byte = from;
        }
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The keys in `dir`, in their order: the first encrypts.
///
/// # Errors
///
/// As [`gossip_keys`].
pub fn list(dir: &Path) -> Result<Vec<Fingerprint>, PkiError> {
    gossip_keys(dir).map(|keys| fingerprints(&keys))
}

/// Makes a new key, behind the others: it decrypts. Returns what is there then.
///
/// # Errors
///
/// As [`list`]; also when there are [`KEYS_MAX`] keys already, or the file cannot be written.
pub fn add(dir: &Path) -> Result<Vec<Fingerprint>, PkiError> {
    let mut keys = gossip_keys(dir)?;
    if keys.len() >= KEYS_MAX {
        return Err(bad(dir, format!("there are {} keys already; end the rotation that was begun first", keys.len())));
    }
    keys.push(new_gossip_key()?);
    write(dir, &keys)
}

/// Makes the last key the first: it encrypts. Returns what is there then.
///
/// # Errors
///
/// As [`list`]; also when there is only one key, or the file cannot be written.
pub fn promote(dir: &Path) -> Result<Vec<Fingerprint>, PkiError> {
    let mut keys = gossip_keys(dir)?;
    if keys.len() < 2 {
        let reason = "nothing to promote: there is only one key; add a new one first (`hostel cluster keys add`), and bring \
                      it to all nodes";
        return Err(bad(dir, reason.to_owned()));
    }
    keys.rotate_right(1);
    write(dir, &keys)
}

/// Removes all keys but the first. Returns what is there then. When there is one only, nothing happens.
///
/// # Errors
///
/// As [`list`]; also when the file cannot be written.
pub fn drop_others(dir: &Path) -> Result<Vec<Fingerprint>, PkiError> {
    let mut keys = gossip_keys(dir)?;
    if keys.len() == 1 {
        return Ok(fingerprints(&keys));
    }
    keys.truncate(1);
    write(dir, &keys)
}

fn write(dir: &Path, keys: &[GossipKey]) -> Result<Vec<Fingerprint>, PkiError> {
    replace_keys(dir, keys)?;
    Ok(fingerprints(keys))
}

fn fingerprints(keys: &[GossipKey]) -> Vec<Fingerprint> {
    keys.iter().map(Fingerprint::of).collect()
}

fn bad(dir: &Path, reason: String) -> PkiError {
    let file: PathBuf = dir.join("gossip.keys");
    PkiError::Certificate { file, reason }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::peer::ClusterName;
    use crate::peer::pki::init;

    fn mode(dir: &Path) -> u32 {
        fs::metadata(dir.join("gossip.keys")).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_rotation_has_three_steps_between_which_all_understand_each_other() {
        let dir = tempfile::tempdir().unwrap();
        init(dir.path(), &ClusterName::new("shop").unwrap()).unwrap();
        let begin = gossip_keys(dir.path()).unwrap();
        let [old] = *list(dir.path()).unwrap() else { panic!() };

        let added = add(dir.path()).unwrap();
        let with_new = gossip_keys(dir.path()).unwrap();
        assert_eq!((added.len(), added[0], mode(dir.path())), (2, old, 0o600));
        assert_ne!(added[1], old);
        assert_eq!(with_new[0], begin[0], "the old one still encrypts");

        let promoted = promote(dir.path()).unwrap();
        let with_first = gossip_keys(dir.path()).unwrap();
        assert_eq!((&promoted[..], mode(dir.path())), (&[added[1], old][..], 0o600));
        assert_eq!(with_first, [with_new[1], with_new[0]]);

        assert_eq!((drop_others(dir.path()).unwrap(), mode(dir.path())), (vec![added[1]], 0o600));
        assert_eq!(gossip_keys(dir.path()).unwrap(), with_first[..1]);
        // What one side of a step encrypts the other decrypts.
        for (before, after) in [(&begin[..], &with_new[..]), (&with_new, &with_first), (&with_first, &with_first[..1])]
        {
            assert!(after.contains(&before[0]) && before.contains(&after[0]));
        }
        assert!(!dir.path().join("gossip.new").exists());
    }

    #[test]
    fn what_cannot_be_done_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let none = list(dir.path()).unwrap_err();
        assert!(matches!(&none, PkiError::Missing { file, .. } if file.ends_with("gossip.keys")), "{none}");
        init(dir.path(), &ClusterName::new("shop").unwrap()).unwrap();
        let one = list(dir.path()).unwrap();
        let promoted = promote(dir.path()).unwrap_err().to_string();
        assert!(promoted.contains("nothing to promote") && promoted.contains("hostel cluster keys add"), "{promoted}");
        assert_eq!(drop_others(dir.path()).unwrap(), one);
        for _ in 1..KEYS_MAX {
            add(dir.path()).unwrap();
        }
        let full = list(dir.path()).unwrap();
        assert!(add(dir.path()).unwrap_err().to_string().contains("4 keys already"));
        assert_eq!(list(dir.path()).unwrap(), full);
        let file = dir.path().join("gossip.keys");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(promote(dir.path()), Err(PkiError::Readable { .. })));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, "not a key\n").unwrap();
        assert!(add(dir.path()).is_err() && drop_others(dir.path()).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "not a key\n");
    }

    #[test]
    fn fingerprints_tell_keys_apart_and_are_not_the_keys() {
        let (one, other) = (Fingerprint::of(&[1; 32]), Fingerprint::of(&[2; 32]));
        assert_ne!(one, other);
        assert_eq!(one.to_string().len(), 12);
        assert_eq!(one, Fingerprint::of(&[1; 32]));
    }
}
