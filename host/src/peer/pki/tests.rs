use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::peer::{ClusterName, Credentials, NodeName};

fn cluster() -> ClusterName {
    ClusterName::new("shop").unwrap()
}

fn issuing(node: &str, valid: Duration) -> Issuing {
    Issuing { node: NodeName::new(node).unwrap(), valid, seeds: vec!["10.0.0.1:7946".to_owned()] }
}

const DAY: Duration = Duration::from_secs(24 * 3600);

#[test]
fn a_node_joins_with_a_token_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, node) = (dir.path().join("ca"), dir.path().join("node"));
    init(&ca, &cluster()).unwrap();
    let text = issue(&ca, issuing("one", DAY)).unwrap().to_string();
    assert!(!text.contains(char::is_whitespace) && text.len() < 8_000);
    let token = Token::parse(&format!("  {text}\n")).unwrap();
    assert_eq!((token.identity.node.as_str(), token.seeds.len()), ("one", 1));
    assert!(!format!("{token:?}").contains("PRIVATE"));
    join(&node, &token).unwrap();
    let credentials = Credentials::load(&node).unwrap();
    assert_eq!(credentials.identity(), token.identity);
    let left = credentials.not_after().duration_since(SystemTime::now()).unwrap();
    assert!(left <= DAY && left > DAY - Duration::from_secs(60), "{left:?}");
    assert_eq!(gossip_keys(&node).unwrap(), gossip_keys(&ca).unwrap());
    for (file, secret) in [
        (ca.join("ca.key"), true),
        (ca.join("gossip.keys"), true),
        (ca.join("ca.pem"), false),
        (node.join("node.pem"), true),
    ] {
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077 == 0, secret, "{}: {mode:o}", file.display());
    }
}

#[test]
fn a_cluster_is_made_once() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), &cluster()).unwrap();
    let key = fs::read(dir.path().join("ca.key")).unwrap();
    assert!(matches!(init(dir.path(), &cluster()), Err(PkiError::Exists(_))));
    assert_eq!(fs::read(dir.path().join("ca.key")).unwrap(), key);
    // A dangling link is no invitation to write elsewhere.
    let other = tempfile::tempdir().unwrap();
    symlink(dir.path().join("nowhere"), other.path().join("ca.key")).unwrap();
    assert!(init(other.path(), &cluster()).is_err());
}

#[test]
fn keys_that_others_can_read_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), &cluster()).unwrap();
    let key = dir.path().join("ca.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let error = issue(dir.path(), issuing("one", DAY)).unwrap_err().to_string();
    assert!(error.contains("chmod 600") && error.contains("0640"), "{error}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let token = issue(dir.path(), issuing("one", DAY)).unwrap();
    let node = dir.path().join("node");
    join(&node, &token).unwrap();
    for file in ["node.pem", "gossip.keys"] {
        fs::set_permissions(node.join(file), fs::Permissions::from_mode(0o604)).unwrap();
    }
    assert!(matches!(Credentials::load(&node), Err(PkiError::Readable { .. })));
    assert!(matches!(gossip_keys(&node), Err(PkiError::Readable { .. })));
}

#[test]
fn bad_credentials_are_refused_at_home_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, other, node) = (dir.path().join("ca"), dir.path().join("other"), dir.path().join("node"));
    init(&ca, &cluster()).unwrap();
    init(&other, &cluster()).unwrap();
    let why = || Credentials::load(&node).map(|_| ()).unwrap_err().to_string();
    // What the folder lacks decides what has to be done.
    let missing = |words: &[&str]| {
        assert!(matches!(Credentials::load(&node), Err(PkiError::Missing { .. })), "{}", why());
        assert!(words.iter().all(|word| why().contains(word)), "{words:?}: {}", why());
    };
    missing(&["node.pem", "no folder of a cluster", "hostel cluster init", "hostel cluster join --dir"]);
    fs::create_dir(&node).unwrap();
    missing(&["no folder of a cluster"]);
    fs::copy(ca.join("gossip.keys"), node.join("gossip.keys")).unwrap();
    missing(&["issued no certificate", "hostel cluster token", "hostel cluster join --dir"]);
    join(&node, &issue(&ca, issuing("one", DAY)).unwrap()).unwrap();
    fs::remove_file(node.join("ca.pem")).unwrap();
    missing(&["ca.pem", "not complete"]);
    join(&node, &issue(&ca, issuing("one", Duration::ZERO)).unwrap()).unwrap();
    std::thread::sleep(Duration::from_millis(1_100));
    assert!(why().contains("has expired") && why().contains("hostel cluster token"), "{}", why());
    join(&node, &issue(&ca, issuing("one", DAY)).unwrap()).unwrap();
    // The CA of another cluster of the same name.
    fs::copy(other.join("ca.pem"), node.join("ca.pem")).unwrap();
    assert!(why().contains("not signed by the CA"), "{}", why());
    fs::write(node.join("ca.pem"), "").unwrap();
    assert!(why().contains("no certificate"), "{}", why());
    fs::write(node.join("ca.pem"), vec![b'x'; 300 << 10]).unwrap();
    assert!(matches!(Credentials::load(&node), Err(PkiError::File { .. })));
    fs::copy(ca.join("ca.pem"), node.join("ca.pem")).unwrap();
    Credentials::load(&node).unwrap();
}

#[test]
fn a_certificate_of_another_node_is_no_renewal() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, node) = (dir.path().join("ca"), dir.path().join("node"));
    init(&ca, &cluster()).unwrap();
    join(&node, &issue(&ca, issuing("one", DAY)).unwrap()).unwrap();
    let credentials = Credentials::load(&node).unwrap();
    join(&node, &issue(&ca, issuing("one", 2 * DAY)).unwrap()).unwrap();
    credentials.reload().unwrap();
    let renewed = credentials.not_after();
    assert!(renewed > SystemTime::now() + DAY);
    join(&node, &issue(&ca, issuing("two", DAY)).unwrap()).unwrap();
    assert!(matches!(credentials.reload(), Err(PkiError::OtherNode { .. })));
    fs::remove_file(node.join("node.pem")).unwrap();
    assert!(credentials.reload().is_err());
    assert_eq!((credentials.not_after(), credentials.identity().node.as_str()), (renewed, "one"));
}

#[test]
fn certificates_for_all_time_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), &cluster()).unwrap();
    for valid in [Duration::MAX, Duration::from_secs(11 * 365 * 24 * 3600)] {
        let error = issue(dir.path(), issuing("one", valid)).unwrap_err().to_string();
        assert!(error.contains("ask for less"), "{error}");
    }
    issue(dir.path(), issuing("one", Duration::from_secs(9 * 365 * 24 * 3600))).unwrap();
}

#[test]
fn identities_are_read_strictly() {
    let uri = "hostel://shop/node/one";
    assert_eq!(node_uri(&parse_identity(uri).unwrap()), uri);
    for uri in [
        "hostel://shop",
        "hostel://shop/node/",
        "hostel://shop/node/a/b",
        "spiffe://shop/node/one",
        "hostel:///node/a",
        "hostel://Shop/node/a",
    ] {
        assert_eq!(parse_identity(uri), None, "{uri}");
    }
}

/// Changes a text here and there: a character of it, a piece cut out, a piece twice.
fn damaged(random: &mut SmallRng, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..random.random_range(1..4) {
        let (one, other) = (random.random_range(0..bytes.len()), random.random_range(0..bytes.len()));
        let (from, to) = (one.min(other), one.max(other));
        match random.random_range(0..4) {
            0 => bytes[from] = random.random_range(b' '..=b'~'),
            1 => bytes[from] = random.random_range(0..128),
            2 if to - from < bytes.len() / 2 => drop(bytes.drain(from..to)),
            _ => {
                let piece = bytes[from..to.min(from + 100)].to_vec();
                bytes.splice(to..to, piece);
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn damaged_tokens_are_refused_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), &cluster()).unwrap();
    let text = issue(dir.path(), issuing("one", DAY)).unwrap().to_string();
    let mut random = SmallRng::seed_from_u64(1);
    let mut read = 0;
    for _ in 0..5_000 {
        match Token::parse(&damaged(&mut random, &text)) {
            // A damaged certificate or key inside is found when it is loaded.
            Ok(token) => read += usize::from(!token.gossip_keys.is_empty()),
            Err(error) => assert!(error.to_string().len() < 200, "{error}"),
        }
    }
    // And what is inside.
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let (prefix, encoded) = text.split_at("hostel-token-1.".len());
    let json = String::from_utf8(engine.decode(encoded).unwrap()).unwrap();
    for _ in 0..5_000 {
        let text = format!("{prefix}{}", engine.encode(damaged(&mut random, &json)));
        if let Ok(token) = Token::parse(&text) {
            read += 1;
            assert_eq!(Token::parse(&token.to_string()).unwrap(), token);
        }
    }
    assert!(read > 10, "{read}");
}

#[test]
fn damaged_files_are_refused_with_their_name() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, node) = (dir.path().join("ca"), dir.path().join("node"));
    init(&ca, &cluster()).unwrap();
    join(&node, &issue(&ca, issuing("one", DAY)).unwrap()).unwrap();
    let mut random = SmallRng::seed_from_u64(1);
    for name in ["node.pem", "ca.pem", "gossip.keys"] {
        let file = node.join(name);
        let good = fs::read_to_string(&file).unwrap();
        for _ in 0..300 {
            fs::write(&file, damaged(&mut random, &good)).unwrap();
            let loaded = match name {
                "gossip.keys" => gossip_keys(&node).map(drop),
                _ => Credentials::load(&node).map(drop),
            };
            if let Err(error) = loaded {
                assert!(error.to_string().contains(".pem") || error.to_string().contains(name), "{error}");
            }
        }
        fs::write(&file, good).unwrap();
    }
    Credentials::load(&node).unwrap();
}

proptest! {
    #[test]
    fn any_text_is_a_token_or_an_error(text in any::<String>()) {
        prop_assert!(Token::parse(&text).is_err());
        let damaged = format!("hostel-token-1.{text}");
        prop_assert!(Token::parse(&damaged).is_err());
    }
}

#[test]
fn joining_keeps_seeds_and_spares_the_ca() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, node) = (dir.path().join("ca"), dir.path().join("node"));
    init(&ca, &cluster()).unwrap();
    let mut seeded = issuing("one", DAY);
    seeded.seeds = vec!["10.0.0.1:7946".to_owned(), "hosts.internal:7946".to_owned()];
    let token = issue(&ca, seeded).unwrap();
    let seedless = issue(&ca, Issuing { seeds: Vec::new(), ..issuing("one", DAY) }).unwrap();
    let seeds = || fs::read_to_string(node.join("seeds")).unwrap();
    join(&node, &seedless).unwrap();
    assert_eq!(seeds(), "");
    join(&node, &token).unwrap();
    assert_eq!(seeds(), "10.0.0.1:7946\nhosts.internal:7946\n");
    // A renewal that names none is no reason to forget them.
    join(&node, &seedless).unwrap();
    assert_eq!(seeds(), "10.0.0.1:7946\nhosts.internal:7946\n");

    let before = fs::read(ca.join("gossip.keys")).unwrap();
    let error = join(&ca, &token).unwrap_err();
    assert!(matches!(error, PkiError::Taken { .. }), "{error}");
    assert!(!ca.join("node.pem").exists() && fs::read(ca.join("gossip.keys")).unwrap() == before);
}

#[test]
fn a_token_is_verified_before_it_replaces_anything() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, other) = (dir.path().join("ca"), dir.path().join("other"));
    init(&ca, &cluster()).unwrap();
    init(&other, &cluster()).unwrap();
    let token = issue(&ca, issuing("one", DAY)).unwrap();
    let left = verify(&token).unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(left <= DAY && left > DAY - Duration::from_secs(60), "{left:?}");
    let two = issue(&ca, issuing("two", DAY)).unwrap();
    let swapped = Token { node_pem: two.node_pem, ..token.clone() };
    assert!(verify(&swapped).unwrap_err().to_string().contains("another node"));
    let foreign = Token { ca_pem: issue(&other, issuing("one", DAY)).unwrap().ca_pem, ..token.clone() };
    assert!(verify(&foreign).unwrap_err().to_string().contains("not signed by the CA"));
    let empty = Token { node_pem: String::new(), ..token };
    assert!(verify(&empty).is_err());
}

/// Most clusters are called `hostel`.
#[test]
fn a_token_of_a_cluster_of_the_same_name_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let token = |name: &str| {
        let ca = dir.path().join(name);
        init(&ca, &ClusterName::new("hostel").unwrap()).unwrap();
        let node = NodeName::new("two").unwrap();
        issue(&ca, Issuing { node, valid: Duration::from_secs(3600), seeds: Vec::new() }).unwrap()
    };
    let (ours, theirs) = (token("ours"), token("theirs"));
    let node = dir.path().join("node");
    assert!(check_cluster(&node, &ours).is_ok(), "there is nothing yet");
    join(&node, &ours).unwrap();
    assert!(check_cluster(&node, &ours).is_ok());
    assert!(matches!(check_cluster(&node, &theirs), Err(PkiError::Taken { .. })));
}
