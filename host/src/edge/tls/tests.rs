use std::fs;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;

/// A certificate of its own, and its key, as PEM.
fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    (cert.pem(), key.serialize_pem())
}

fn load(dir: &TempDir, cert: Option<&str>, key: Option<&str>) -> Result<Option<Arc<Tls>>, String> {
    let write = |name: &str, text: Option<&str>| {
        let file = dir.path().join(name);
        match text {
            Some(text) => fs::write(&file, text).unwrap(),
            None => drop(fs::remove_file(&file)),
        }
        file
    };
    let settings =
        Settings { tls_cert: write("cert.pem", cert), tls_key: write("key.pem", key), ..Settings::default() };
    Tls::load(&settings).map_err(|error| error.to_string().replace(&dir.path().display().to_string(), "DIR"))
}

#[test]
fn none_is_asked_for_by_default() {
    assert!(Tls::load(&Settings::default()).unwrap().is_none());
}

#[test]
fn what_is_wrong_is_said() {
    let dir = TempDir::new().unwrap();
    let (cert, key) = pair();
    assert!(load(&dir, Some(&cert), Some(&key)).is_ok());
    let both = format!("{key}{cert}");
    assert!(load(&dir, Some(&both), Some(&both)).is_ok(), "both in one file");
    let error = |cert: Option<&str>, key: Option<&str>| load(&dir, cert, key).err().unwrap();
    let missing = error(None, Some(&key));
    assert!(missing.starts_with("`tls_cert` in [edge]: cannot read DIR/cert.pem: No such file"), "{missing}");
    let missing = error(Some(&cert), None);
    assert!(missing.starts_with("`tls_key` in [edge]: cannot read DIR/key.pem: No such file"), "{missing}");
    assert_eq!(
        error(Some(&key), Some(&key)),
        "`tls_cert` in [edge]: DIR/cert.pem: there is no certificate in it (PEM, `BEGIN CERTIFICATE`)"
    );
    assert_eq!(
        error(Some(&cert), Some(&cert)),
        "`tls_key` in [edge]: DIR/key.pem: there is no private key in it (PEM, `BEGIN PRIVATE KEY`)"
    );
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    assert!(error(Some(&cert), Some(&encrypted)).contains("the key is encrypted"));
    let (_, other) = pair();
    let mismatch = error(Some(&cert), Some(&other));
    assert!(
        mismatch.contains("the key in DIR/key.pem is not that of the first certificate in DIR/cert.pem"),
        "{mismatch}"
    );
    let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(error(Some(garbled), Some(&key)).contains("the certificate cannot be used"));
    let huge = "x".repeat(300_000);
    assert!(error(Some(&huge), Some(&key)).contains("it has more than 262144 bytes"));
}

#[test]
fn clients_are_offered_both_versions_of_http() {
    let dir = TempDir::new().unwrap();
    let (cert, key) = pair();
    let tls = load(&dir, Some(&cert), Some(&key)).unwrap().unwrap();
    assert_eq!(tls.config.load().alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
}

/// Time is paused here, so it passes as fast as the files are read.
#[tokio::test(start_paused = true)]
async fn files_that_change_are_taken_when_they_are_good() {
    let dir = TempDir::new().unwrap();
    let (cert, key) = pair();
    let tls = load(&dir, Some(&cert), Some(&key)).unwrap().unwrap();
    let stop = CancellationToken::new();
    let watching = tokio::spawn(tls.clone().watch(stop.clone()));
    let first = tls.config.load_full();
    tokio::time::sleep(LOOK_AGAIN * 3).await;
    assert!(Arc::ptr_eq(&first, &tls.config.load_full()), "nothing has changed");

    let (new_cert, new_key) = pair();
    fs::write(dir.path().join("cert.pem"), &new_cert).unwrap();
    tokio::time::sleep(LOOK_AGAIN * 3).await;
    assert!(Arc::ptr_eq(&first, &tls.config.load_full()), "the key is not that of the new certificate");
    fs::write(dir.path().join("key.pem"), &new_key).unwrap();
    tokio::time::sleep(LOOK_AGAIN * 3).await;
    let second = tls.config.load_full();
    assert!(!Arc::ptr_eq(&first, &second), "the new certificate is used");

    fs::remove_file(dir.path().join("cert.pem")).unwrap();
    tokio::time::sleep(LOOK_AGAIN * 3).await;
    assert!(Arc::ptr_eq(&second, &tls.config.load_full()), "a file that is gone changes nothing");
    stop.cancel();
    watching.await.unwrap();
}
