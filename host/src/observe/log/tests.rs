use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;
use crate::observe::access::Access;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What `run` logs, in the given style and above debug.
fn logged(style: Style, run: impl FnOnce()) -> String {
    let sink = Sink::default();
    let writer = Writer::spawn(sink.clone(), 1 << 20, move |lines| style.dropped(lines)).unwrap();
    let subscriber =
        tracing_subscriber::registry().with(parse("debug").unwrap()).with(Lines::new(style, writer.clone()));
    tracing::subscriber::with_default(subscriber, run);
    writer.flush(Duration::from_secs(60));
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[derive(Debug, thiserror::Error)]
#[error("outer")]
struct Outer(#[source] std::fmt::Error);

#[test]
fn a_json_line_is_one_object_with_flat_fields() {
    let text = logged(Style::Json, || {
        let span = tracing::info_span!("call", service = "orders", code = 1, trace_id = tracing::field::Empty);
        span.record("trace_id", "4bf9");
        let _entered = span.enter();
        let error: &(dyn std::error::Error + 'static) = &Outer(std::fmt::Error);
        let level = "x";
        let nan = f64::NAN;
        tracing::warn!(target: "hostel::x", code = 200, ok = true, ms = 1.5, nan, error, level, "a \"b\"\n\u{1b}[0m");
        tracing::trace!("not logged");
        tracing::info!(name: "n", absent = None::<u8>, debugged = ?Some("é"));
    });
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    let mut first = lines[0].clone();
    let ts = first.as_object_mut().unwrap().remove("ts").unwrap();
    let ts = ts.as_str().unwrap();
    assert!(ts.len() == 24 && ts.starts_with("20") && ts.ends_with('Z'), "{ts}");
    assert_eq!(
        first,
        serde_json::json!({
            "level": "warn", "target": "hostel::x", "msg": "a \"b\"\n\u{1b}[0m", "service": "orders", "code": 200,
            "trace_id": "4bf9", "ok": true, "ms": 1.5, "nan": "NaN", "level_": "x",
            "error": "outer: an error occurred when formatting an argument",
        })
    );
    assert_eq!(lines[1]["msg"], "");
    assert_eq!(lines[1]["debugged"], "Some(\"é\")");
    assert_eq!(lines[1].get("absent"), None);
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn a_call_in_the_access_log_has_all_its_fields() {
    let trace = crate::observe::trace::TraceContext::new_root();
    let access = Access {
        method: "POST",
        route: "/orders/{id}",
        service: "orders",
        status: 200,
        grpc: Some(14),
        elapsed: Duration::from_micros(1500),
        bytes_in: 7,
        bytes_out: 0,
        trace,
        client: Some(std::net::IpAddr::from([127, 0, 0, 1])),
    };
    let text = logged(Style::Json, || {
        access.log(AccessLog::Errors);
        Access { grpc: None, ..access }.log(AccessLog::Errors);
    });
    let mut line: serde_json::Value = serde_json::from_str(&text).unwrap();
    line.as_object_mut().unwrap().remove("ts");
    assert_eq!(
        line,
        serde_json::json!({
            "level": "info", "target": "hostel::access", "msg": "call", "method": "POST", "route": "/orders/{id}",
            "service": "orders", "code": "UNAVAILABLE", "ms": 1.5, "bytes_in": 7, "bytes_out": 0,
            "trace_id": trace.trace_id().to_string(), "span_id": trace.span_id().to_string(), "client": "127.0.0.1",
        })
    );
}

#[test]
fn a_pretty_line_is_short_aligned_and_safe() {
    let text = logged(Style::Pretty { colours: false }, || {
        tracing::info!(target: "hostel::edge", service = "orders", text = "a b", "listening");
        tracing::error!(target: "other", "guest\nsays \u{1b}[2J\u{9b}");
    });
    let lines: Vec<&str> = text.lines().map(|line| line.get(13..).unwrap_or(line)).collect();
    assert_eq!(lines[0], "info  edge       listening  service=orders  text=\"a b\"");
    assert_eq!(lines[1], "error other      guest");
    assert!(text.ends_with("\n    | says \\u{1b}[2J\\u{9b}\n"), "{text:?}");
    let coloured = logged(Style::Pretty { colours: true }, || tracing::info!("hello"));
    assert!(coloured.contains("\u{1b}[32minfo \u{1b}[0m"));
}

#[test]
fn filters_are_checked_before_they_are_used() {
    for good in ["info", "INFO", "warn,hostel::edge=debug", "off", "hostel[call{service=a}]=trace"] {
        assert_eq!(Filter::try_from(good.to_owned()).unwrap().to_string(), good);
    }
    for bad in ["", " ", "inof", "info,wasmtime", "hostel=loud", "a=b=c"] {
        assert!(Filter::try_from(bad.to_owned()).is_err(), "{bad}");
    }
    assert_eq!(parse(&Filter::default().0).unwrap().to_string(), "info");
}

#[test]
fn settings_are_read_strictly() {
    let settings: Settings = toml::from_str("format = 'json'\nfilter = 'warn'\naccess = 'all'").unwrap();
    assert_eq!(settings.format, Format::Json);
    assert_eq!(settings.access, AccessLog::All);
    assert!(toml::from_str::<Settings>("filter = 'inof'").is_err());
    assert!(toml::from_str::<Settings>("formt = 'json'").is_err());
    assert_eq!(toml::from_str::<Settings>("").unwrap(), Settings::default());
}
