//! TLS: what clients agree on, what happens when they do not, and how a certificate is renewed.

use std::time::Duration;

use crate::harness::builder::Builder;
use crate::harness::command::{finish, hostel};
use crate::harness::grpc::{EchoReply, ask, framed};
use crate::harness::guests::ECHO;
use crate::harness::host::Host;
use crate::harness::http::{full, get, request, with};
use crate::harness::raw::Raw;
use crate::harness::tiny;
use crate::harness::tls::{Certificate, whole};
use crate::harness::wait::{LONG, eventually, within};

use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BOTH: &[&str] = &["h2", "http/1.1"];

/// A host that speaks TLS, with more settings of the edge.
async fn secure(builder: Builder, more: &str) -> (Host, Certificate) {
    let certificate = Certificate::new();
    certificate.write(builder.dir());
    let config = Certificate::config(builder.dir()) + more;
    (builder.config(&config).start().await, certificate)
}

async fn tiny_and_secure(more: &str) -> (Host, Certificate) {
    secure(Host::builder().module("tiny", &tiny::answering("x")), more).await
}

#[tokio::test]
async fn clients_get_the_version_of_http_that_they_ask_for() {
    let (host, certificate) = tiny_and_secure("").await;
    for (alpn, agreed, version) in [
        (BOTH, Some("h2"), http::Version::HTTP_2),
        (&["http/1.1", "h2"], Some("h2"), http::Version::HTTP_2),
        (&["http/1.1"], Some("http/1.1"), http::Version::HTTP_11),
        (&[], None, http::Version::HTTP_11),
    ] {
        let stream = certificate.connect(host.edge, alpn).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed.map(str::as_bytes), "{alpn:?}");
        drop(stream);
        let response =
            certificate.send(host.edge, alpn, with(get("https://localhost/tiny/"), "host", "localhost")).await;
        assert_eq!((response.status().as_u16(), response.version()), (200, version), "{alpn:?}");
        assert_eq!(whole(response).await.0, "x");
    }
    let foreign = certificate.connect(host.edge, &["spdy/1"]).await;
    assert!(foreign.is_err(), "nothing in common");
}

#[tokio::test]
async fn versions_of_tls() {
    let (host, certificate) = tiny_and_secure("").await;
    for (versions, expected) in [
        (&[&rustls::version::TLS12], rustls::ProtocolVersion::TLSv1_2),
        (&[&rustls::version::TLS13], rustls::ProtocolVersion::TLSv1_3),
    ] {
        let stream = certificate.connect_by(host.edge, BOTH, versions).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(expected));
    }
    // A greeting of TLS 1.1, from a client that knows nothing newer.
    let mut old = vec![22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2];
    old.extend([7; 32]);
    old.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let mut stream = tokio::net::TcpStream::connect(host.edge).await.unwrap();
    stream.write_all(&old).await.unwrap();
    let mut answer = Vec::new();
    within("an answer", LONG, stream.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
}

#[tokio::test]
async fn grpc_over_tls() {
    let (host, certificate) = secure(Host::builder().guest(&ECHO), "").await;
    for (method, count, replies) in [("Unary", 1, 1), ("ServerStream", 3, 3)] {
        let url = format!("https://localhost/hostel.test.v1.Echo/{method}");
        let call = request("POST", &url, full(framed(&ask("over TLS", count, 1))));
        let call = with(with(call, "content-type", "application/grpc"), "te", "trailers");
        let response = certificate.send(host.edge, &["h2"], call).await;
        assert_eq!(response.status(), 200);
        let (mut body, trailers) = whole(response).await;
        assert_eq!(trailers["grpc-status"], "0", "{trailers:?}");
        for _ in 0..replies {
            let message = body.split_to(5).get(1..5).map(|length| u32::from_be_bytes(length.try_into().unwrap()));
            let reply = EchoReply::decode(body.split_to(message.unwrap() as usize)).unwrap();
            assert_eq!((reply.text.as_str(), reply.caller.as_str()), ("over TLS", "edge"));
        }
        assert!(body.is_empty());
    }
}

#[tokio::test]
async fn it_is_said_that_the_edge_speaks_tls() {
    let (host, _) = tiny_and_secure("").await;
    assert_eq!(host.edge_url, format!("https://{}", host.edge));
    let banner = host.process.out.all().join("\n");
    assert!(banner.contains(&format!("edge    https://{}", host.edge)), "{banner}");
    let status = hostel(&host.modules(), &["status", "--admin", &host.admin.to_string()]).await.expect(0);
    assert!(status.out.contains(&format!("edge https://{}", host.edge)), "{status}");
}

/// What does not become a connection takes nobody's turn.
#[tokio::test]
async fn handshakes_that_come_to_nothing() {
    let (host, certificate) = tiny_and_secure("header_timeout_ms = 700\n").await;
    let failed = async || host.metrics().await.sum("hostel_edge_handshakes_failed_total", &[]);
    let mut plain = Raw::connect(host.edge).await;
    let reply = plain.get("/tiny/").await;
    assert_eq!(reply.status, 400, "{reply:?}");
    assert!(reply.body.contains("this port speaks TLS; use https"), "{reply:?}");
    assert!(plain.closes(LONG).await);
    let mut silent = Vec::new();
    for begin in [&b""[..], b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut stream = tokio::net::TcpStream::connect(host.edge).await.unwrap();
        stream.write_all(begin).await.unwrap();
        silent.push(stream);
    }
    let mut nonsense = tokio::net::TcpStream::connect(host.edge).await.unwrap();
    nonsense.write_all(b"\x00\x01\x02\x03nonsense").await.unwrap();
    let response = certificate.send(host.edge, BOTH, get("https://localhost/tiny/")).await;
    assert_eq!(response.status(), 200, "while others stand still");
    for mut stream in silent {
        let mut rest = Vec::new();
        let _ = within("it is closed", LONG, stream.read_to_end(&mut rest)).await;
    }
    eventually("all are counted", LONG, async || {
        let failed = failed().await;
        (failed == 5.0).then_some(()).ok_or_else(|| failed.to_string())
    })
    .await;
    assert!(!host.logs.events().iter().any(|event| ["warn", "error"].contains(&&*event.level())));
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_a_restart() {
    let (host, old) = tiny_and_secure("").await;
    let dir = host.modules().parent().unwrap().to_owned();
    let mut kept = Kept::open(&old, &host).await;
    let new = Certificate::new();
    new.write(&dir);
    eventually("the new certificate is shown", LONG, async || {
        new.connect(host.edge, BOTH).await.map(drop).map_err(|error| error.to_string())
    })
    .await;
    assert!(old.connect(host.edge, BOTH).await.is_err(), "the old one is not");
    kept.works().await;

    let (cert, _) = Certificate::files(&dir);
    std::fs::write(&cert, "no certificate").unwrap();
    let warning = |event: &crate::harness::logs::Event| event.message().contains("the new certificate cannot be used");
    let warned = host.logs("a warning", warning).await;
    assert!(warned.contains("there is no certificate in it"), "{warned:?}");
    assert!(new.connect(host.edge, BOTH).await.is_ok(), "the last good one stays");
    kept.works().await;

    // What replaces it is seen, so the bad one was looked at more than once.
    let last = Certificate::new();
    last.write(&dir);
    eventually("the last certificate is shown", LONG, async || {
        last.connect(host.edge, BOTH).await.map(drop).map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(host.logs.matching(warning).len(), 1);
}

/// A connection that stays open.
struct Kept(hyper::client::conn::http1::SendRequest<crate::harness::http::Body>);

impl Kept {
    async fn open(certificate: &Certificate, host: &Host) -> Self {
        let stream = certificate.connect(host.edge, &["http/1.1"]).await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let mut kept = Self(sender);
        kept.works().await;
        kept
    }

    async fn works(&mut self) {
        let response = self.0.send_request(with(get("/tiny/"), "host", "localhost")).await.unwrap();
        assert_eq!(whole(response).await.0, "x");
        within("it is free again", LONG, self.0.ready()).await.unwrap();
    }
}

#[tokio::test]
async fn certificates_that_cannot_be_used_keep_a_host_from_starting() {
    let good = Certificate::new();
    let other = Certificate::new();
    let cases: [(Option<&str>, Option<&str>, &str); 4] = [
        (None, Some(&good.key_pem), "cannot read"),
        (Some(""), Some(&good.key_pem), "there is no certificate in it"),
        (Some(&good.cert_pem), Some(&good.cert_pem), "there is no private key in it"),
        (Some(&good.cert_pem), Some(&other.key_pem), "is not that of the first certificate"),
    ];
    for (cert, key, expected) in cases {
        let builder = Host::builder();
        let (cert_file, key_file) = Certificate::files(builder.dir());
        for (file, text) in [(&cert_file, cert), (&key_file, key)] {
            if let Some(text) = text {
                std::fs::write(file, text).unwrap();
            }
        }
        let flags = ["--tls-cert", cert_file.to_str().unwrap(), "--tls-key", key_file.to_str().unwrap()];
        let builder = builder.arguments(&flags);
        let mut process = builder.spawn();
        finish("hostel up", &mut process, LONG).await.expect_one_line(1, &[expected, "in [edge]"]);
        let config = builder.dir().join("tls.toml");
        std::fs::write(&config, Certificate::config(builder.dir())).unwrap();
        let check = hostel(builder.dir(), &["check", "--config", config.to_str().unwrap()]).await;
        check.expect_one_line(1, &[expected, "in [edge]"]);
    }
    let builder = Host::builder().arguments(&["--tls-cert", "cert.pem"]);
    let mut process = builder.spawn();
    finish("hostel up", &mut process, LONG).await.expect_one_line(64, &["tls_key"]);
}

/// Other limits hold behind TLS as they do without.
#[tokio::test]
async fn limits_hold_over_tls() {
    let limits = "header_timeout_ms = 500\nidle_timeout_ms = 1000\n";
    let (host, certificate) = tiny_and_secure(limits).await;
    for begin in ["", "GET /tiny/ HT"] {
        let mut stream = certificate.connect(host.edge, &["http/1.1"]).await.unwrap();
        stream.write_all(begin.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(4), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{begin:?}");
    }
}
