//! Credentials on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};

use super::token::{decode_key, encode_key};
use super::{GossipKey, PkiError, Token};
use crate::peer::tls;

/// The largest file that is read, in bytes.
const BYTES_MAX: u64 = 256 << 10;

/// What a node's folder holds.
pub(in crate::peer) struct NodeFiles {
    pub(in crate::peer) file: PathBuf,
    pub(in crate::peer) chain: Vec<CertificateDer<'static>>,
    pub(in crate::peer) key: PrivateKeyDer<'static>,
    pub(in crate::peer) roots: Vec<CertificateDer<'static>>,
}

/// Makes `dir` the folder of the node that `token` is for. What is there of an earlier one is replaced, a file at a time;
/// each is complete at any moment. Seeds are kept when the token names none.
///
/// # Errors
///
/// [`PkiError`] when `dir` is the folder of a CA, whose certificate and keys this would replace, or a file cannot be
/// written.
pub fn join(dir: &Path, token: &Token) -> Result<(), PkiError> {
    fs::create_dir_all(dir).map_err(|source| PkiError::File { file: dir.to_owned(), source })?;
    if dir.join("ca.key").exists() {
        let reason = "this is the folder of a cluster's CA, and the token would replace its files; name another folder";
        return Err(PkiError::Taken { dir: dir.to_owned(), reason: reason.to_owned() });
    }
    replace_keys(dir, &token.gossip_keys)?;
    let seeds = dir.join("seeds");
    if !token.seeds.is_empty() || !seeds.exists() {
        let lines: String = token.seeds.iter().map(|seed| format!("{seed}\n")).collect();
        replace(&seeds, lines.as_bytes(), false)?;
    }
    replace(&dir.join("ca.pem"), token.ca_pem.as_bytes(), false)?;
    replace(&dir.join("node.pem"), token.node_pem.as_bytes(), true)
}

/// Checks that `token` is from the cluster whose node's folder `dir` is, if it is one: that they have a CA in common. Clusters
/// may have the same name, and most have that which is the default.
///
/// # Errors
///
/// [`PkiError::Taken`] when they have none.
pub fn check_cluster(dir: &Path, token: &Token) -> Result<(), PkiError> {
    let Ok(there) = read_bounded(&dir.join("ca.pem")) else { return Ok(()) };
    let (Some(there), Some(new)) = (certificates(&there), certificates(&token.ca_pem)) else { return Ok(()) };
    if new.iter().any(|ca| there.contains(ca)) {
        return Ok(());
    }
    let reason = "this is the folder of a node of another cluster, whose CA is not the token's; name another folder, or \
                  delete this one if the node is to change over";
    Err(PkiError::Taken { dir: dir.to_owned(), reason: reason.to_owned() })
}

/// Checks that a node could use `token` now, and says until when. [`join`] does not: it may be done before clocks are
/// right.
///
/// # Errors
///
/// [`PkiError`] when the certificate in it has expired, is not signed by the CA in it, or is not the node's.
pub fn verify(token: &Token) -> Result<SystemTime, PkiError> {
    let file = PathBuf::from("the token");
    let files = parse_node(file.clone(), &token.node_pem, &file, &token.ca_pem)?;
    let bad = |reason: String| PkiError::Certificate { file: file.clone(), reason };
    if tls::identity_of(&files.chain).map_err(bad)? != token.identity {
        return Err(bad("the certificate in it is that of another node".to_owned()));
    }
    let mut roots = RootCertStore::empty();
    for root in &files.roots {
        roots.add(root.clone()).map_err(|error| bad(format!("the CA certificate cannot be used: {error}")))?;
    }
    let name = tls::server_name(&token.identity.cluster, Some(&token.identity.node)).map_err(bad)?;
    check_own(&files, &Arc::new(roots), &Arc::new(rustls::crypto::aws_lc_rs::default_provider()), &name)
}

/// The keys of the gossip in a folder; the first encrypts, all decrypt.
///
/// # Errors
///
/// [`PkiError`] when there are none, or others can read them.
pub fn gossip_keys(dir: &Path) -> Result<Vec<GossipKey>, PkiError> {
    let file = dir.join("gossip.keys");
    let text = read_secret(&file).map_err(|error| or_missing(error, dir))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Option<Vec<GossipKey>> = lines.map(decode_key).collect();
    keys.filter(|keys| !keys.is_empty()).ok_or_else(|| {
        let reason = "each line has to be a key: 32 bytes in base64".to_owned();
        PkiError::Certificate { file, reason }
    })
}

/// Replaces the keys of the gossip in a folder. `keys` must not be empty.
pub(super) fn replace_keys(dir: &Path, keys: &[GossipKey]) -> Result<(), PkiError> {
    let lines: String = keys.iter().map(|key| encode_key(key) + "\n").collect();
    replace(&dir.join("gossip.keys"), lines.as_bytes(), true)
}

pub(in crate::peer) fn read_node(dir: &Path) -> Result<NodeFiles, PkiError> {
    let file = dir.join("node.pem");
    let pem = read_secret(&file).map_err(|error| or_missing(error, dir))?;
    let ca = dir.join("ca.pem");
    let ca_pem = read_bounded(&ca).map_err(|error| or_missing(error, dir))?;
    parse_node(file, &pem, &ca, &ca_pem)
}

/// The same error; of a file that is not there, with what the folder is and which command makes the file.
fn or_missing(error: PkiError, dir: &Path) -> PkiError {
    let file = match error {
        PkiError::File { file, source } if source.kind() == io::ErrorKind::NotFound => file,
        other => return other,
    };
    let has = |name: &str| dir.join(name).exists();
    let dir_shown = dir.display();
    let reason = if has("ca.key") {
        "the folder of the CA is not complete; bring the file back from a copy".to_owned()
    } else if !["node.pem", "ca.pem", "gossip.keys"].into_iter().any(has) {
        format!(
            "{dir_shown} is no folder of a cluster; `hostel cluster init {dir_shown}` makes a cluster there, `hostel cluster \
             join --dir {dir_shown} -` a node of one, with a token from where the cluster was made (`hostel cluster token`)"
        )
    } else if file.ends_with("node.pem") {
        format!(
            "this node has been issued no certificate; make a token where the cluster's ca.key is (`hostel cluster token DIR \
             --node NAME`), and join with it: `hostel cluster join --dir {dir_shown} -`"
        )
    } else {
        format!(
            "the folder of the node is not complete; join with a new token: `hostel cluster join --dir {dir_shown} -`"
        )
    };
    PkiError::Missing { file, reason }
}

fn parse_node(file: PathBuf, pem: &str, ca: &Path, ca_pem: &str) -> Result<NodeFiles, PkiError> {
    let bad = |file: &Path, reason: &str| PkiError::Certificate { file: file.to_owned(), reason: reason.to_owned() };
    let chain = certificates(pem).filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| bad(&file, "there is no certificate in it; join with a token"))?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| bad(&file, "there is no private key in it; join with a token"))?;
    let roots = certificates(ca_pem).filter(|roots| !roots.is_empty());
    let roots = roots.ok_or_else(|| bad(ca, "there is no certificate in it; join with a token"))?;
    Ok(NodeFiles { file, chain, key, roots })
}

fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().ok()
}

/// Verifies a node's own certificate as its peers will, and says when it expires.
pub(in crate::peer) fn check_own(
    files: &NodeFiles,
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
    name: &ServerName<'_>,
) -> Result<SystemTime, PkiError> {
    let bad = |reason: String| PkiError::Certificate { file: files.file.clone(), reason };
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
        .build()
        .map_err(|error| bad(format!("the CA certificate cannot be used: {error}")))?;
    let Some((own, between)) = files.chain.split_first() else {
        return Err(bad("there is no certificate in it".to_owned()));
    };
    let verify = |at| verifier.verify_server_cert(own, between, name, &[], at);
    verify(UnixTime::now()).map_err(|error| {
        use CertificateError as E;
        bad(match error {
            rustls::Error::InvalidCertificate(E::Expired | E::ExpiredContext { .. }) => {
                "the certificate has expired; join with a new token (`hostel cluster token`), or set the clock right"
                    .into()
            }
            rustls::Error::InvalidCertificate(E::NotValidYet | E::NotValidYetContext { .. }) => {
                "the certificate is not valid yet; set the clock right".into()
            }
            rustls::Error::InvalidCertificate(E::UnknownIssuer | E::BadSignature) => {
                "the certificate is not signed by the CA in ca.pem beside it; join with a token".into()
            }
            other => format!("the certificate is no good: {other}"),
        })
    })?;
    // No reader of certificates is needed to learn when it expires: by the end of time it has, and the verifier says when.
    let end = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX / 2));
    match verify(end) {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(not_after.as_secs()))
        }
        _ => Err(bad("the certificate has no end".to_owned())),
    }
}

/// Reads a file that only its owner may read.
pub(super) fn read_secret(file: &Path) -> Result<String, PkiError> {
    let at = |source| PkiError::File { file: file.to_owned(), source };
    let opened = File::open(file).map_err(at)?;
    // Of the file that was opened, not of whatever has its name by now.
    let mode = opened.metadata().map_err(at)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(PkiError::Readable { file: file.to_owned(), mode });
    }
    read_text(opened).map_err(at)
}

pub(super) fn read_bounded(file: &Path) -> Result<String, PkiError> {
    File::open(file).and_then(read_text).map_err(|source| PkiError::File { file: file.to_owned(), source })
}

fn read_text(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has more than {BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// Writes a file that must not exist.
pub(super) fn write_new(file: &Path, bytes: &[u8], secret: bool) -> Result<(), PkiError> {
    write(file, bytes, secret).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => PkiError::Exists(file.to_owned()),
        _ => PkiError::File { file: file.to_owned(), source },
    })
}

fn write(file: &Path, bytes: &[u8], secret: bool) -> io::Result<()> {
    let mode = if secret { 0o600 } else { 0o644 };
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(file)?;
    opened.write_all(bytes)?;
    opened.sync_all()
}

fn replace(file: &Path, bytes: &[u8], secret: bool) -> Result<(), PkiError> {
    let aside = file.with_extension("new");
    let replaced = match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => write(&aside, bytes, secret).and_then(|()| fs::rename(&aside, file)),
    };
    replaced.map_err(|source| PkiError::File { file: file.to_owned(), source })
}
