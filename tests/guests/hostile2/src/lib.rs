//! A WASI 0.2 service that misbehaves in the way its route asks for.
//!
//! The 0.2 door has misdeeds of its own: an answer is something the guest sets, so it may never do so, and waiting
//! is a call that does not return, so the whole instance waits. The rest is in the guest `hostile`.
//!
//! - `/ok`
//! - `/spin`: loops for ever
//! - `/spin-later`: answers, then loops for ever
//! - `/trap`, `/half-response`: a trap before the answer, and one in the middle of its body
//! - `/eat`, `/eat/{mib}`: allocates until it is refused; allocates so much more and holds it
//! - `/drop`: returns without an answer
//! - `/drop-body`: answers, and drops the body without finishing it
//! - `/error`: answers with an error code
//! - `/never`: waits for a clock that never gets there
//! - `/sleep/{ms}`
//! - `/endless-response`
//! - `/big-response/{mib}`
//! - `/upload/{target}`: sends a request whose body never ends to `POST /echo` of another service
//! - `/calls/{target}/{n}`: starts so many calls to `GET /sleep/1000` at once, then waits for all

use std::cell::RefCell;
use std::hint::black_box;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingRequest, Method, OutgoingBody, OutgoingRequest,
    OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::{OutputStream, StreamError};

const MIB: usize = 1024 * 1024;
/// What `blocking-write-and-flush` takes at most.
const CHUNK_BYTES: usize = 4096;

thread_local! {
    /// What `/eat/{mib}` has taken and never gives back.
    static HELD: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

struct Hostile;

wasip2::http::proxy::export!(Hostile);

impl Guest for Hostile {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match segments[..] {
            ["ok"] => answer(out, 200, "ok"),
            ["spin"] => spin(),
            ["spin-later"] => {
                answer(out, 200, "answered");
                spin();
            }
            ["trap"] => core::arch::wasm32::unreachable(),
            ["half-response"] => {
                let _ = Body::begin(out, 200).write(&[b'x'; 1024]);
                core::arch::wasm32::unreachable();
            }
            ["eat"] => {
                let mut eaten = Vec::new();
                while let Some(block) = mib_block() {
                    eaten.push(block);
                }
                answer(out, 200, &format!("{} MiB, then refused", eaten.len()));
            }
            ["eat", mib] => {
                let wanted = number(mib) as usize;
                let (held, gained) = HELD.with_borrow_mut(|held| {
                    let before = held.len();
                    held.extend((0..wanted).map_while(|_| mib_block()));
                    (held.len(), held.len() - before)
                });
                let status = if gained < wanted { 507 } else { 200 };
                answer(out, status, &format!("holding {held} MiB"));
            }
            ["drop"] => drop(out),
            ["drop-body"] => {
                let body = Body::begin(out, 200);
                let _ = body.write(&[b'x'; 1024]);
                drop(body);
            }
            ["error"] => {
                ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some("the guest says so".to_owned()))));
            }
            ["never"] => {
                subscribe_duration(u64::MAX).block();
                answer(out, 200, "never came");
            }
            ["sleep", ms] => {
                subscribe_duration(number(ms).saturating_mul(1_000_000)).block();
                answer(out, 200, &format!("slept {ms}"));
            }
            ["endless-response"] => flow(out, u64::MAX),
            ["big-response", mib] => flow(out, number(mib).saturating_mul((MIB / CHUNK_BYTES) as u64)),
            ["upload", target] => upload(out, target),
            ["calls", target, count] => calls(out, target, number(count)),
            _ => answer(out, 404, &format!("no route for {path}")),
        }
    }
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// A block of one MiB, each byte of it written to.
fn mib_block() -> Option<Vec<u8>> {
    let mut block = Vec::new();
    block.try_reserve_exact(MIB).ok()?;
    block.resize(MIB, 1);
    Some(block)
}

/// So many chunks, as fast as they are taken, until nobody takes them any more.
fn flow(out: ResponseOutparam, chunks: u64) {
    let body = Body::begin(out, 200);
    for _ in 0..chunks {
        if body.write(&[b'x'; CHUNK_BYTES]).is_err() {
            return;
        }
    }
    body.finish();
}

fn upload(out: ResponseOutparam, target: &str) {
    let request = request(target, "/echo");
    let _ = request.set_method(&Method::Post);
    let body = request.body().map(Body::open);
    match (body, outgoing_handler::handle(request, None)) {
        (Ok(body), Ok(_response)) => {
            while body.write(&[b'x'; CHUNK_BYTES]).is_ok() {}
            answer(out, 200, "somebody stopped it");
        }
        (_, outcome) => answer(out, 502, &format!("{:?}", outcome.err())),
    }
}

fn calls(out: ResponseOutparam, target: &str, count: u64) {
    let responses: Vec<Result<FutureIncomingResponse, ErrorCode>> =
        (0..count).map(|_| outgoing_handler::handle(request(target, "/sleep/1000"), None)).collect();
    let mut answered = 0;
    let mut failed = 0;
    for response in responses {
        match response.map(wait_for_response) {
            Ok(true) => answered += 1,
            Ok(false) | Err(_) => failed += 1,
        }
    }
    answer(out, 200, &format!("{answered} answered, {failed} failed"));
}

fn wait_for_response(response: FutureIncomingResponse) -> bool {
    response.subscribe().block();
    matches!(response.get(), Some(Ok(Ok(response))) if response.status() == 200)
}

fn request(target: &str, path: &str) -> OutgoingRequest {
    let request = OutgoingRequest::new(Fields::new());
    let _ = request.set_scheme(Some(&Scheme::Http));
    let _ = request.set_authority(Some(&format!("{target}.internal")));
    let _ = request.set_path_with_query(Some(path));
    request
}

fn answer(out: ResponseOutparam, status: u16, text: &str) {
    let body = Body::begin(out, status);
    if body.write(format!("{text}\n").as_bytes()).is_ok() {
        body.finish();
    }
}

/// A body and its only stream. The fields are in the order in which they must be dropped.
struct Body {
    stream: OutputStream,
    body: OutgoingBody,
}

impl Body {
    /// Sends status and headers off, and opens the body behind them.
    fn begin(out: ResponseOutparam, status: u16) -> Self {
        let response = OutgoingResponse::new(Fields::new());
        let _ = response.set_status_code(status);
        let Ok(body) = response.body() else { core::arch::wasm32::unreachable() };
        ResponseOutparam::set(out, Ok(response));
        Self::open(body)
    }

    fn open(body: OutgoingBody) -> Self {
        let Ok(stream) = body.write() else { core::arch::wasm32::unreachable() };
        Self { stream, body }
    }

    fn write(&self, bytes: &[u8]) -> Result<(), StreamError> {
        bytes.chunks(CHUNK_BYTES).try_for_each(|chunk| self.stream.blocking_write_and_flush(chunk))
    }

    fn finish(self) {
        drop(self.stream);
        let _ = OutgoingBody::finish(self.body, None);
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}
