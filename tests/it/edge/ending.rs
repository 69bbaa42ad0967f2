//! How connections end: of clients that are gone, of age, and when the host stops. No request is lost by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;

use crate::harness::frames::{GOAWAY, HEADERS, Http2, PING, frame, get as get_frame};
use crate::harness::guests::ECHO;
use crate::harness::host::Host;
use crate::harness::http::{Client, get};
use crate::harness::load::Load;
use crate::harness::raw::Raw;
use crate::harness::wait::{LONG, eventually, throughout, within};

async fn echo(edge: &str) -> Host {
    Host::builder().guest(&ECHO).config(&format!("[edge]\n{edge}\n")).start().await
}

impl Host {
    async fn closed(&self, reason: &str) -> f64 {
        self.metrics().await.sum("hostel_edge_connections_closed_total", &[("reason", reason)])
    }

    async fn closes(&self, reason: &str, times: f64) {
        eventually(&format!("{times} closed, of {reason}"), LONG, async || {
            let closed = self.closed(reason).await;
            (closed >= times).then_some(()).ok_or_else(|| closed.to_string())
        })
        .await;
    }
}

#[tokio::test]
async fn a_client_that_is_frozen_is_taken_for_dead() {
    let host = echo("keepalive_interval_ms = 400\nkeepalive_timeout_ms = 300").await;
    let mut client = Http2::connect(host.edge).await;
    let begun = Instant::now();
    assert!(client.send(&get_frame(1, "/echo/sleep/9000")).await);
    host.in_flight("echo", 1).await;
    // It reads, and says nothing more, not even to a PING.
    let mut asked = 0;
    while let Some(frame) = client.next().await {
        asked += u32::from(frame.kind == PING);
    }
    let lasted = begun.elapsed();
    assert!(asked == 1 && lasted >= Duration::from_millis(600), "asked {asked} times in {lasted:?}");
    assert!(lasted < Duration::from_secs(5), "{lasted:?}");
    assert_eq!(host.closed("dead").await, 1.0);
    host.in_flight("echo", 0).await;
}

/// Who answers is alive, however little there is to say; so is who says something else.
#[tokio::test]
async fn a_client_that_answers_is_kept() {
    let host = echo("keepalive_interval_ms = 100\nkeepalive_timeout_ms = 300\nheader_timeout_ms = 300").await;
    let client = Client::h2(host.edge);
    client.get(&host.url("/echo/hello/x")).await.expect(200);
    throughout("the connection is kept", Duration::from_secs(2), async || {
        let open = host.metrics().await.sum("hostel_edge_connections", &[]);
        (open == 1.0).then_some(()).ok_or_else(|| format!("{open} are open"))
    })
    .await;
    client.get(&host.url("/echo/sleep/1500")).await.expect(200);
    assert_eq!((host.closed("dead").await, host.closed("head").await), (0.0, 0.0));
}

#[tokio::test]
async fn connections_age_under_load_and_nothing_is_lost() {
    let host = echo("connection_age_max_ms = 300\nconnection_age_grace_ms = 10000").await;
    let edge = host.edge;
    for client in [Client::h2, Client::h1] {
        let before = host.closed("age").await;
        let clients: Vec<Client> = (0..4).map(|_| client(edge)).collect();
        let load = Load::start(8, Duration::from_millis(1), move |worker| {
            let client = clients[worker % 4].clone();
            async move {
                let path = if worker % 2 == 0 { "hello/x" } else { "stream/20?gap_ms=5" };
                let reply = client.try_send(get(&format!("http://{edge}/echo/{path}"))).await;
                let reply = reply.map_err(|error| error.to_string())?;
                (reply.status == 200).then_some(()).ok_or_else(|| reply.to_string())
            }
        });
        host.closes("age", before + 20.0).await;
        load.stop().await.expect_no_failure();
    }
    assert_eq!(host.closed("grace").await, 0.0);
}

/// Over HTTP/2 the client is told in two steps; what it has begun, it may end.
#[tokio::test]
async fn an_old_connection_of_http2_is_told_to_go() {
    let host = echo("connection_age_max_ms = 300\nconnection_age_grace_ms = 8000").await;
    let mut client = Http2::connect(host.edge).await;
    assert!(client.send(&get_frame(1, "/echo/sleep/1500")).await);
    let first = client.next_of(GOAWAY).await.expect("a warning");
    assert_eq!(first.payload[..8], [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0], "no stream is refused yet");
    // On its way when the warning came: it is taken. The answer to the PING says that the warning was heard.
    assert!(client.send(&get_frame(3, "/echo/sleep/100")).await);
    let ping = client.next_of(PING).await.expect("a PING");
    assert!(client.send(&frame(PING, 1, 0, &ping.payload)).await);
    let (mut last, mut answered) = (None, Vec::new());
    while let Some(frame) = client.next().await {
        match frame.kind {
            GOAWAY => {
                last = Some(frame.payload[..8].to_vec());
                // Too late, and whoever sends it can know.
                assert!(client.send(&get_frame(5, "/echo/hello/x")).await);
            }
            HEADERS => answered.push(frame.stream),
            _ => {}
        }
    }
    assert_eq!(last, Some(vec![0, 0, 0, 3, 0, 0, 0, 0]), "both were taken, and no more are");
    assert_eq!(answered, [3, 1]);
}

#[tokio::test]
async fn an_old_connection_of_http1_ends_with_a_response() {
    let host = echo("connection_age_max_ms = 300\nconnection_age_grace_ms = 300").await;
    let mut client = Raw::connect(host.edge).await;
    let reply = client.get("/echo/hello/x").await;
    assert!(!reply.head.contains("connection: close"), "{reply:?}");
    host.closes("age", 1.0).await;
    // Longer than the grace: a client that has nothing to ask is left alone, since it may just have begun to.
    throughout("it is kept", Duration::from_secs(1), async || {
        let open = host.metrics().await.sum("hostel_edge_connections", &[]);
        (open == 1.0).then_some(()).ok_or_else(|| format!("{open} are open"))
    })
    .await;
    let reply = client.get("/echo/hello/x").await;
    assert!(reply.status == 200 && reply.head.contains("connection: close"), "{reply:?}");
    assert!(client.closes(LONG).await);
}

#[tokio::test]
async fn what_lasts_longer_than_the_grace_is_cut() {
    let host = echo("connection_age_max_ms = 300\nconnection_age_grace_ms = 500").await;
    for (number, client) in [Client::h2(host.edge), Client::h1(host.edge)].into_iter().enumerate() {
        let begun = Instant::now();
        let response = client.open(get(&host.url("/echo/stream/80?gap_ms=100"))).await.unwrap();
        assert_eq!(response.status(), 200);
        let cut = within("the end of the body", LONG, response.into_body().collect()).await;
        assert!(cut.is_err(), "a body of 8 s was whole after {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
        assert_eq!(host.closed("grace").await, (number + 1) as f64);
    }
    host.in_flight("echo", 0).await;
}

/// What became of requests that were sent without a pause while the host stopped.
#[derive(Default)]
struct Sent {
    answered: AtomicU64,
    refused: AtomicU64,
}

/// A client that goes on sending until it cannot. Each of its requests is answered, or refused in a way that says that
/// nothing was done for it.
#[tokio::test]
async fn a_host_that_stops_loses_no_request_of_http2() {
    let mut host =
        Host::builder().guest(&ECHO).config("[log]\naccess = \"all\"\n[modules]\ndrain_ms = 15000\n").start().await;
    let stream = tokio::net::TcpStream::connect(host.edge).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let sent = Arc::new(Sent::default());
    let workers: Vec<_> = (0..16)
        .map(|worker| {
            let (sender, sent, edge) = (sender.clone(), sent.clone(), host.edge);
            tokio::spawn(async move {
                let path = if worker % 2 == 0 { "sleep/7" } else { "stream/30?gap_ms=3" };
                loop {
                    let Ok(mut ready) = sender.clone().ready().await else { break };
                    let request = http::Request::get(format!("http://{edge}/echo/{path}")).body(()).unwrap();
                    let Ok((response, _)) = ready.send_request(request, true) else { break };
                    match whole(response).await {
                        Ok(()) => sent.answered.fetch_add(1, Ordering::Relaxed),
                        Err(error) if is_unprocessed(&error) => {
                            sent.refused.fetch_add(1, Ordering::Relaxed);
                            break;
                        }
                        Err(error) => panic!("a request was lost: {error}"),
                    };
                }
            })
        })
        .collect();
    eventually("requests are answered", LONG, async || {
        let answered = sent.answered.load(Ordering::Relaxed);
        (answered > 100).then_some(()).ok_or_else(|| answered.to_string())
    })
    .await;
    drop(sender);
    let status = host.stop().await;
    assert!(status.success(), "{status}");
    for worker in workers {
        within("a worker ends", LONG, worker).await.unwrap();
    }
    within("the connection ends", LONG, connection).await.unwrap().unwrap();
    let served = host.logs.matching(|event| event.field("code") == "200" && event.is_about("echo")).len();
    let answered = sent.answered.load(Ordering::Relaxed);
    assert_eq!(served as u64, answered, "served and not received; {} refused", sent.refused.load(Ordering::Relaxed));
    assert!(!host.logs.events().iter().any(|event| event.message().contains("cut off")));
}

async fn whole(response: h2::client::ResponseFuture) -> Result<(), h2::Error> {
    let response = response.await?;
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    while let Some(data) = body.data().await {
        let data = data?;
        let _ = body.flow_control().release_capacity(data.len());
    }
    body.trailers().await.map(drop)
}

fn is_unprocessed(error: &h2::Error) -> bool {
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    refused || (error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR))
}
