//! A service behind the lean door that misbehaves in the way its route asks for.
//!
//! Behind `wasi:http` the engine checks names, values, lengths and codes before Hostel sees them. The lean door is a
//! record of strings and bytes: whatever is wrong in it, the host has to notice by itself.
//!
//! - `/ok`, `/spin`, `/spin-later`, `/trap`, `/panic`, `/eat`
//! - `/never`: waits for a stream whose other end it holds itself
//! - `/yield`: is always ready to go on and never does anything
//! - `/bad-status/{n}`, `/bad-headers/{kind}`, `/bad-trailers/{kind}`, `/bad-head/{kind}`: see `kinds`
//! - `/big-bytes/{mib}`: so much in one piece; `/big-stream/{mib}`, `/endless-stream`: over time
//! - `/half`: bytes, then a trap; `/broken`: bytes, then an error; `/stuck`: bytes, then no end
//! - `/tiny-chunks/{n}`: a stream of so many single bytes
//! - `/no-such-body/{n}`: a 204, 304 or 1xx with a body
//! - `/stall-body`: never reads the request's body; `/keep-body`: keeps it beyond the answer
//! - `/bad-call/{target}`: sends malformed requests to a service; 200 if each was refused, with the reasons
//! - `/bad-targets`: calls names that are no service; 200 if each was refused, with the reasons
//! - `/forge/{target}`: claims to be somebody else to `GET /headers` of a service
//! - `/cancel/{target}`: starts a call to `GET /sleep/60000` and gives it up at once
//! - `/flood/{target}/{n}`: so many calls of `GET /ok`, 64 at once
//! - `/recurse-call`: calls itself through the service `hostile-lean`

mod body;
mod calls;
#[path = "../../lean-bare/src/head.rs"]
mod head;
mod kinds;

use hostel::service::types::{Body, Request, Response};
use std::hint::black_box;

wit_bindgen::generate!({ path: "../../../guest-sdk/wit", world: "hostel:service/service" });

struct Hostile;

export!(Hostile);

impl exports::hostel::service::handler::Guest for Hostile {
    async fn handle(request: Request) -> Response {
        let (_, path) = head::request_line(&request.head);
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match segments[..] {
            ["ok"] => text(200, "ok"),
            ["spin"] => spin(),
            ["spin-later"] => {
                wit_bindgen::spawn_local(async {
                    // After one turn, so that the answer gets out first.
                    wit_bindgen::yield_async().await;
                    spin();
                });
                text(200, "answered")
            }
            ["trap"] => core::arch::wasm32::unreachable(),
            ["panic"] => panic!("a panic was asked for"),
            ["eat"] => eat(),
            ["never"] => {
                never().await;
                text(200, "never came")
            }
            ["yield"] => loop {
                wit_bindgen::yield_async().await;
            },

            ["bad-status", status] => response(number(status), Vec::new(), Body::Bytes(b"body\n".to_vec())),
            ["bad-headers", kind] => response(200, kinds::fields(kind), Body::Bytes(b"0123456789".to_vec())),
            ["bad-trailers", kind] => Response {
                head: head::response(200, &[], &head::fields(&kinds::fields(kind))),
                body: Body::Bytes(b"0123456789".to_vec()),
            },
            ["bad-head", kind] => Response { head: kinds::head(kind), body: Body::Bytes(b"0123456789".to_vec()) },

            ["big-bytes", mib] => {
                response(200, Vec::new(), Body::Bytes(vec![b'x'; number(mib) as usize * 1024 * 1024]))
            }
            ["big-stream", mib] => body::chunks(u64::from(number(mib)) * 16, 64 * 1024),
            ["endless-stream"] => body::chunks(u64::MAX, 64 * 1024),
            ["tiny-chunks", count] => body::chunks(u64::from(number(count)), 1),
            ["no-such-body", status] => {
                Response { head: head::response(number(status), &[], &[]), ..body::chunks(1, 10) }
            }
            ["half"] => body::half(),
            ["broken"] => body::broken(),
            ["stuck"] => body::stuck(),
            ["stall-body"] => body::stall(request.body).await,
            ["keep-body"] => body::keep(request.body),

            ["bad-call", target] => calls::malformed(target).await,
            ["bad-targets"] => calls::no_services().await,
            ["forge", target] => calls::forge(target).await,
            ["cancel", target] => calls::cancel(target).await,
            ["flood", target, count] => calls::flood(target, u64::from(number(count))).await,
            ["recurse-call"] => calls::recurse().await,
            _ => text(404, &format!("no route for {path}")),
        }
    }
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Waits for bytes that nobody else can send. A future that is never ready would not do: the bindings take a task that
/// waits for nothing of the host's for a mistake, and trap.
async fn never() {
    let (_held, mut bytes) = wit_stream::new::<u8>();
    bytes.read(Vec::with_capacity(1)).await;
}

/// Allocates until it is refused, says how far it got, and gives it back to its own allocator.
fn eat() -> Response {
    const MIB: usize = 1024 * 1024;
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut block = Vec::new();
        if block.try_reserve_exact(MIB).is_err() {
            break;
        }
        block.resize(MIB, 1);
        eaten.push(block);
    }
    let mib = eaten.len();
    drop(eaten);
    text(200, &format!("{mib} MiB, then refused"))
}

/// Fields before they are written down.
type Fields = Vec<(String, Vec<u8>)>;

fn response(status: u16, headers: Fields, body: Body) -> Response {
    Response { head: head::response(status, &head::fields(&headers), &[]), body }
}

fn text(status: u16, text: &str) -> Response {
    response(status, vec![field("content-type", b"text/plain")], Body::Bytes(format!("{text}\n").into_bytes()))
}

fn field(name: &str, value: &[u8]) -> (String, Vec<u8>) {
    (name.to_owned(), value.to_owned())
}

fn number(text: &str) -> u16 {
    text.parse().unwrap_or(0)
}
