//! A WASI 0.3 service that misbehaves in the way its route asks for, so that every limit of the host can be exceeded.
//!
//! A route's name says what it does; a number in it is a size, a count or a time in the unit named beside it.
//!
//! | module | routes |
//! |---|---|
//! | here | `/ok`, `/error` |
//! | `run` | `/spin`, `/spin/{ms}`, `/spin-later`, `/recurse`, `/trap`, `/panic`, `/exit/{code}`, `/log-flood`, `/log-flood/{lines}`, `/log-line/{kib}` |
//! | `wait` | `/sleep/{ms}`, `/never`, `/linger` |
//! | `memory` | `/eat`, `/eat/{mib}`, `/hoard/{what}`, `/hoard/{what}/{n}` |
//! | `body` | `/big-response/{mib}`, `/endless-response`, `/half-response`, `/broken-response`, `/short-response`, `/long-response`, `/bad-status/{n}`, `/bad-headers`, `/bad-headers/{kind}`, `/ignore-body`, `/stall-body` |
//! | `calls` | `/flood/{target}`, `/flood/{target}/{n}`, `/recurse-call`, `/forge/{target}` |
//! | `escape` | `/fs`, `/env`, `/stdin`, `/tcp`, `/tcp/{address}` |

mod body;
mod calls;
mod escape;
mod memory;
mod reply;
mod run;
mod wait;

use wasip3::http::types::{ErrorCode, Request, Response};

struct Hostile;

wasip3::http::service::export!(Hostile);

impl wasip3::exports::http::handler::Guest for Hostile {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match segments[..] {
            ["ok"] => reply::text(200, "ok".to_owned()),
            ["error"] => Err(ErrorCode::InternalError(Some("the guest says so".to_owned()))),

            ["spin"] => run::spin(),
            ["spin", ms] => run::spin_ms(number(ms)?),
            ["spin-later"] => run::spin_later(),
            ["recurse"] => run::recurse(),
            ["trap"] => run::trap(),
            ["panic"] => panic!("a panic was asked for"),
            ["exit"] => std::process::exit(0),
            ["exit", code] => std::process::exit(number(code)?),
            ["log-flood"] => run::log_flood(u64::MAX),
            ["log-flood", lines] => run::log_flood(number(lines)?),
            ["log-line", kib] => run::log_line(number(kib)?),

            ["sleep", ms] => wait::sleep(number(ms)?).await,
            ["never"] => wait::never().await,
            ["linger"] => wait::linger(),

            ["eat"] => memory::eat_all(),
            ["eat", mib] => memory::eat(number(mib)?),
            ["hoard", what] => memory::hoard(what, u64::MAX).await,
            ["hoard", what, count] => memory::hoard(what, number(count)?).await,

            ["big-response", mib] => body::big(number(mib)?),
            ["endless-response"] => body::endless(),
            ["half-response"] => body::half(),
            ["broken-response"] => body::broken(),
            ["short-response"] => body::wrong_length(100, 10),
            ["long-response"] => body::wrong_length(10, 100),
            ["bad-status", status] => body::bad_status(number(status)?),
            ["bad-headers"] => body::refused_headers(),
            ["bad-headers", kind] => body::bad_headers(kind),
            ["ignore-body"] => body::ignore(request),
            ["stall-body"] => body::stall(request).await,

            ["flood", target] => calls::flood_for_ever(target).await,
            ["flood", target, count] => calls::flood(target, number(count)?).await,
            ["recurse-call"] => calls::recurse().await,
            ["forge", target] => calls::forge(target).await,

            ["fs"] => escape::files(),
            ["env"] => escape::environment(),
            ["stdin"] => escape::stdin(),
            ["tcp"] => escape::network("127.0.0.1:9").await,
            ["tcp", address] => escape::network(address).await,
            _ => reply::text(404, format!("no route for {path}")),
        }
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, ErrorCode> {
    text.parse().map_err(|_| ErrorCode::HttpRequestUriInvalid)
}
