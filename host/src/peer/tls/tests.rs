//! Who may link, and what those hear who may not.

mod changes;

use std::path::Path;
use std::time::Duration;

use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::call::{CallContext, CallError, Request, Response, ServiceName};
use crate::peer::pki::{Issuing, NodeFiles, init, issue, join};
use crate::peer::{Client, Incarnation, Incoming, NoControl, Peer, Server, Settings};

struct Nobody;

impl Incoming for Nobody {
    fn call(
        &self,
        _: &Arc<PeerIdentity>,
        _: &ServiceName,
        _: Request,
        _: CallContext,
    ) -> BoxFuture<'static, Result<Response, CallError>> {
        Box::pin(std::future::ready(Err(CallError::cancelled())))
    }
}

fn identity(cluster: &str, node: &str) -> PeerIdentity {
    PeerIdentity { cluster: ClusterName::new(cluster).unwrap(), node: NodeName::new(node).unwrap() }
}

/// Credentials that nobody has checked: a certificate by the CA in `ca`, or by itself.
fn forged(ca: &Path, signed: bool, named: PeerIdentity, from_days: i64, to_days: i64) -> Arc<Credentials> {
    let at = |days: i64| {
        let away = Duration::from_secs(days.unsigned_abs() * 86_400);
        if days < 0 { SystemTime::now() - away } else { SystemTime::now() + away }
    };
    let params = pki::node_params(&named, at(from_days), at(to_days)).unwrap();
    let key = KeyPair::generate().unwrap();
    let ca_pem = std::fs::read_to_string(ca.join("ca.pem")).unwrap();
    let certificate = if signed {
        let ca_key = KeyPair::from_pem(&std::fs::read_to_string(ca.join("ca.key")).unwrap()).unwrap();
        let mut issuer = CertificateParams::default();
        issuer.distinguished_name = rcgen::DistinguishedName::new();
        issuer.distinguished_name.push(rcgen::DnType::CommonName, "shop (Hostel cluster CA)");
        params.signed_by(&key, &Issuer::new(issuer, ca_key)).unwrap()
    } else {
        params.self_signed(&key).unwrap()
    };
    use rustls::pki_types::pem::PemObject;
    let roots = vec![CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()];
    let files = NodeFiles {
        file: "forged".into(),
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        roots,
    };
    let mut store = RootCertStore::empty();
    store.add(files.roots[0].clone()).unwrap();
    let (store, provider) = (Arc::new(store), Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    let loaded = Loaded {
        identity: named,
        server: Arc::new(server_config(&files, store.clone(), provider.clone()).unwrap()),
        client: Arc::new(client_config(&files, store, provider).unwrap()),
        not_after: at(to_days),
    };
    Arc::new(Credentials { dir: "forged".into(), loaded: RwLock::new(Arc::new(loaded)), generation: AtomicU64::new(0) })
}

fn joined(ca: &Path, dir: &Path, node: &str) -> Arc<Credentials> {
    let issuing = Issuing { node: NodeName::new(node).unwrap(), valid: Duration::from_secs(3600), seeds: Vec::new() };
    join(&dir.join(node), &issue(ca, issuing).unwrap()).unwrap();
    Credentials::load(&dir.join(node)).unwrap()
}

async fn served(credentials: Arc<Credentials>) -> (SocketAddr, Server, CancellationToken) {
    let server = Server::new(Incarnation([9; 16]), Arc::new(Nobody), Arc::new(NoControl), Settings::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let (running, stopping) = (server.clone(), stop.clone());
    tokio::spawn(async move { running.run(listener, credentials, stopping).await });
    (address, server, stop)
}

fn client(credentials: Arc<Credentials>) -> Client {
    Client::new(
        Arc::new(TlsDialer::new(credentials)),
        Settings::default(),
        Arc::new(|_, _| ()),
        1,
        tokio::runtime::Handle::current(),
    )
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn those_who_may_not_are_told_why_on_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, foreign) = (dir.path().join("ca"), dir.path().join("foreign"));
    init(&ca, &ClusterName::new("shop").unwrap()).unwrap();
    init(&foreign, &ClusterName::new("shop").unwrap()).unwrap();
    let good = joined(&ca, dir.path(), "good");
    let bad = identity("shop", "bad");
    // Whose certificate, what the other end says of it, and what its owner hears.
    let cases = [
        ("expired", forged(&ca, true, bad.clone(), -10, -1), "has expired", "as expired"),
        ("early", forged(&ca, true, bad.clone(), 1, 10), "not valid yet", "refuses"),
        (
            "self-signed",
            forged(&ca, false, bad.clone(), -1, 1),
            "`bad` of the cluster `shop` is not signed by this cluster's CA",
            "refuses this node's",
        ),
        ("wrong cluster", forged(&ca, true, identity("other", "bad"), -1, 1), "cluster `other`", ""),
        ("foreign", joined(&foreign, &dir.path().join("f"), "bad"), "`bad` of the cluster `shop` is not signed by", ""),
    ];
    for (what, credentials, said, heard) in cases {
        // As a client.
        let (address, server, stop) = served(good.clone()).await;
        let error = client(credentials.clone()).discover(address).await.unwrap_err();
        assert!(error.to_string().contains(heard), "{what}: {error}: {:?}", error);
        if what != "foreign" && what != "wrong cluster" {
            until("it is refused", || server.snapshot().refused == 1).await;
            let refusal = server.snapshot().last_refusal.unwrap();
            assert!(refusal.contains(said), "{what}: {refusal}");
        }
        assert_eq!((server.snapshot().connections, server.snapshot().calls), (0, 0), "{what}");
        stop.cancel();
        // As a server.
        let (address, server, stop) = served(credentials).await;
        let error = client(good.clone()).discover(address).await.unwrap_err();
        let expected = if what == "wrong cluster" { "another node than" } else { said };
        assert!(error.to_string().contains(expected), "{what}: {error}");
        assert_eq!(server.snapshot().calls, 0);
        stop.cancel();
    }
}

#[tokio::test]
async fn who_shows_no_certificate_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    init(&ca, &ClusterName::new("shop").unwrap()).unwrap();
    let (address, server, stop) = served(joined(&ca, dir.path(), "two")).await;
    use rustls::pki_types::pem::PemObject;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca.join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    for alpn in [vec![ALPN.to_vec()], vec![b"http/1.1".to_vec()], vec![]] {
        config.alpn_protocols = alpn;
        let refused = server.snapshot().refused;
        let name = ServerName::try_from("two.node.shop.hostel").unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let _stream = TlsConnector::from(Arc::new(config.clone())).connect(name, stream).await;
        until("it is refused", || server.snapshot().refused == refused + 1).await;
        let refusal = server.snapshot().last_refusal.unwrap();
        let expected = if config.alpn_protocols == [b"http/1.1"] { "TLS" } else { "shows no certificate" };
        assert!(refusal.contains(expected), "{refusal}");
    }
    stop.cancel();
}

#[tokio::test]
async fn another_node_than_expected_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    init(&ca, &ClusterName::new("shop").unwrap()).unwrap();
    let (address, _, stop) = served(joined(&ca, dir.path(), "two")).await;
    let dialer = TlsDialer::new(joined(&ca, dir.path(), "one"));
    let connected = dialer.dial(address, Some(&NodeName::new("two").unwrap())).await.unwrap();
    assert_eq!(connected.peer, identity("shop", "two"));
    let error = dialer.dial(address, Some(&NodeName::new("three").unwrap())).await.err().unwrap();
    assert!(error.to_string().contains("another node than the one expected"), "{error}");
    // Nor is there a node whose name is that of all nodes.
    assert!(NodeName::new("node.shop").is_err());
    stop.cancel();
}

#[tokio::test]
async fn renewed_certificates_are_used_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca");
    init(&ca, &ClusterName::new("shop").unwrap()).unwrap();
    let (address, server, stop) = served(joined(&ca, dir.path(), "two")).await;
    let credentials = joined(&ca, dir.path(), "one");
    let client = client(credentials.clone());
    let peer = Peer { incarnation: Incarnation([9; 16]), node: NodeName::new("two").unwrap(), address };
    let ask = || client.control(&peer, "any", bytes::Bytes::new(), Duration::from_secs(5));
    for _ in 0..3 {
        ask().await.unwrap_err();
    }
    assert_eq!(client.snapshot().connected, 1);
    joined(&ca, dir.path(), "one");
    credentials.reload().unwrap();
    ask().await.unwrap_err();
    until("a new connection takes over", || client.snapshot().connected == 2).await;
    until("the old one is closed", || server.snapshot().connections == 1).await;
    stop.cancel();
}

/// The steps of docs/cluster.md; between any two of them, nodes that have made the step link with nodes that have not.
#[tokio::test]
async fn the_ca_is_replaced_without_a_break() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, new) = (dir.path().join("ca"), dir.path().join("new"));
    for dir in [&ca, &new] {
        init(dir, &ClusterName::new("shop").unwrap()).unwrap();
    }
    let (one, two) = (joined(&ca, dir.path(), "one"), joined(&ca, dir.path(), "two"));
    let (address, _, stop) = served(two.clone()).await;
    let (back, _, stop_back) = served(one.clone()).await;
    let linked = async || {
        for (from, to, node) in [(&one, address, "two"), (&two, back, "one")] {
            let dialer = TlsDialer::new(from.clone());
            let connected = dialer.dial(to, Some(&NodeName::new(node).unwrap())).await;
            assert_eq!(connected.unwrap().peer, identity("shop", node));
        }
    };
    let read = |ca: &Path| std::fs::read_to_string(ca.join("ca.pem")).unwrap();
    let both = read(&new) + &read(&ca);
    let trust = |node: &Arc<Credentials>, name: &str, pem: &str| {
        std::fs::write(dir.path().join(name).join("ca.pem"), pem).unwrap();
        node.reload().unwrap();
    };
    // 1. All trust both.
    trust(&one, "one", &both);
    linked().await;
    trust(&two, "two", &both);
    linked().await;
    // 2. The new key signs, and all get new certificates.
    std::fs::rename(new.join("ca.key"), ca.join("ca.key")).unwrap();
    std::fs::write(ca.join("ca.pem"), &both).unwrap();
    for (node, name) in [(&one, "one"), (&two, "two")] {
        joined(&ca, dir.path(), name);
        node.reload().unwrap();
        linked().await;
    }
    // 3. Nobody trusts the old one any more.
    for (node, name) in [(&one, "one"), (&two, "two")] {
        trust(node, name, &read(&new));
        linked().await;
    }
    stop.cancel();
    stop_back.cancel();
}
