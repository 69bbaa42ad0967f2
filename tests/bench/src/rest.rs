//! The row `rest`: what it costs that a gRPC method is spoken to in JSON, and how many messages a stream carries.
//!
//! A message of some 300 bytes goes to a method that answers with it, three times over the same kind of connection: as gRPC,
//! which the host passes on as it is; as Connect with protobuf, which it takes out of its frame and puts into one; and as JSON.

use std::time::Instant;

use anyhow::Context as _;
use prost::Message as _;
use tonic::transport::Endpoint;

use crate::bench::{self, Bench};
use crate::http::{self, Client};
use crate::native::pb::greeter_client::GreeterClient;
use crate::native::pb::{Line, Order, State, TickRequest};
use crate::record::{Record, Table, compared, plain};
use crate::server::{REQUEST_MAX, Server};
use crate::stats::Latency;
use crate::work::Side;

static UNARY: Table = Table {
    title: "A message of 300 bytes to a gRPC method that answers with it, by the protocol of the client; the target is that JSON \
            takes at most 15 µs of CPU more than gRPC",
    of: "gRPC",
    columns: &[
        compared("requests/s"),
        compared("CPU µs"),
        plain("CPU µs more than gRPC"),
        plain("p50 µs"),
        plain("p99 µs"),
    ],
};

static STREAM: Table = Table {
    title: "Small messages of one gRPC stream, as a tonic client gets them",
    of: "native tonic",
    columns: &[compared("messages/s")],
};

const HOST: &str = "bench-greeter.localhost";
const ECHO: &str = "/hostel.bench.v1.Greeter/Echo";

/// Of one stream.
const TICKS: u32 = 200_000;

pub(crate) fn measure(bench: &Bench<'_>, round: usize, side: Side, records: &mut Vec<Record>) -> anyhow::Result<()> {
    let server = match side {
        Side::Native => bench.place.native_greeter()?,
        side => bench.start(side)?,
    };
    let rate = ticks(&server)?;
    bench.say(round, &format!("{}: {rate:.0} messages/s", side.name()));
    records.push(Record::new(round, &STREAM, side.name(), &[rate]).to(Side::Native.name()));
    if side != Side::Native {
        unary(bench, round, side, &server, records)?;
    }
    server.stop()
}

fn unary(
    bench: &Bench<'_>,
    round: usize,
    side: Side,
    server: &Server,
    records: &mut Vec<Record>,
) -> anyhow::Result<()> {
    let message = order().encode_to_vec();
    let length = u32::try_from(message.len())?;
    let frame = [&[0], &length.to_be_bytes()[..], &message].concat();
    let proto = http::post_as("application/proto", HOST, ECHO, &message);
    let json = text(server)?;
    let name = |protocol: &str| format!("{protocol}, {}", side.name());
    let mut grpc_us = None;
    for (protocol, request, answer) in [
        ("gRPC", http::post_as("application/grpc", HOST, ECHO, &frame), frame.as_slice()),
        ("Connect, protobuf", proto, message.as_slice()),
        ("JSON", http::post_as("application/json", HOST, ECHO, &json), json.as_slice()),
    ] {
        let requests = [request];
        let outcome = bench.run(&bench.load(server, &requests, answer), server)?;
        let (rate, cpu) = (outcome.rate(), bench::cpu_us(&outcome));
        let latency = Latency::of(outcome.nanos()).context("nothing was answered")?;
        let more = cpu - *grpc_us.get_or_insert(cpu);
        bench.say(round, &format!("{}: {rate:.0}/s, {cpu:.1} µs of CPU", name(protocol)));
        let values = [rate, cpu, more, latency.p50, latency.p99];
        records.push(Record::new(round, &UNARY, name(protocol), &values).to(name("gRPC")));
    }
    Ok(())
}

/// The message in JSON, as the host writes it.
fn text(server: &Server) -> anyhow::Result<Vec<u8>> {
    let mut client = Client::connect(server.edge, REQUEST_MAX)?;
    let written = serde_json::json!({
        "id": "0197f3a2-5d1e-7c4b-9a51-3f0c2e6b8d74", "customer": "c-48151623", "placedMs": "1790000000123",
        "currency": "EUR", "note": "Leave it with the neighbours, please.", "paid": true, "weightKg": 3.25,
        "state": "STATE_PLACED",
        "lines": [
            {"product": "espresso-beans-1kg", "quantity": 2, "priceCents": "2199"},
            {"product": "filter-paper-100", "quantity": 5, "priceCents": "349"},
            {"product": "grinder-burr-steel", "quantity": 1, "priceCents": "8950"},
            {"product": "cup-porcelain-white", "quantity": 6, "priceCents": "790"},
        ],
    });
    let (status, body) =
        client.exchange(&http::post_as("application/json", HOST, ECHO, written.to_string().as_bytes()))?;
    anyhow::ensure!(status == 200, "POST {ECHO}: {status} {}", String::from_utf8_lossy(&body));
    Ok(body)
}

fn order() -> Order {
    let line = |product: &str, quantity, price_cents| Line { product: product.to_owned(), quantity, price_cents };
    Order {
        id: "0197f3a2-5d1e-7c4b-9a51-3f0c2e6b8d74".to_owned(),
        customer: "c-48151623".to_owned(),
        placed_ms: 1_790_000_000_123,
        currency: "EUR".to_owned(),
        lines: vec![
            line("espresso-beans-1kg", 2, 2199),
            line("filter-paper-100", 5, 349),
            line("grinder-burr-steel", 1, 8950),
            line("cup-porcelain-white", 6, 790),
        ],
        note: "Leave it with the neighbours, please.".to_owned(),
        paid: true,
        weight_kg: 3.25,
        state: State::Placed.into(),
    }
}

/// Messages per second of the better of some streams: the first of them warms up.
fn ticks(server: &Server) -> anyhow::Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let endpoint = Endpoint::from_shared(format!("http://{}", server.edge))?;
        let channel = endpoint.origin(format!("http://{HOST}").parse()?).connect().await?;
        let mut client = GreeterClient::new(channel);
        let mut best = 0.0_f64;
        for _ in 0..3 {
            let begun = Instant::now();
            let mut stream = client.tick(TickRequest { count: TICKS }).await?.into_inner();
            let mut count = 0;
            while stream.message().await?.is_some() {
                count += 1;
            }
            anyhow::ensure!(count == TICKS, "{count} messages of {TICKS}");
            best = best.max(f64::from(count) / begun.elapsed().as_secs_f64());
        }
        Ok(best)
    })
}
