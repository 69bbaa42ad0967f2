use std::sync::Arc;

use super::*;

type Lines = Arc<Mutex<Vec<String>>>;

/// The lines that `work` logs at `filter`.
fn lines_of(filter: LevelFilter, work: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let sink = lines.clone();
    let emit = move |level: Level, context: &str, message: &str| {
        sink.lock().unwrap().push(format!("{level:?} {context} {message}"));
    };
    let logger = Logger { filter, spans: Mutex::default(), emit };
    tracing::subscriber::with_default(logger, work);
    let lines = lines.lock().unwrap();
    lines.clone()
}

#[test]
fn a_line_is_the_message_and_its_fields() {
    let lines = lines_of(LevelFilter::INFO, || {
        let reason = "no funds";
        tracing::info!(target: "shop", order = 7, paid = false, "placed");
        tracing::warn!(target: "shop", reason, r#type = "card", err = %"a=b", "declined {}", 3);
        tracing::error!(target: "shop", list = ?[1, 2]);
    });
    assert_eq!(
        lines,
        [
            "Info shop placed order=7 paid=false",
            "Warn shop declined 3 reason=\"no funds\" type=card err=\"a=b\"",
            "Error shop list=[1, 2]",
        ]
    );
}

#[test]
fn levels_below_the_filter_are_dropped() {
    let lines = lines_of(LevelFilter::WARN, || {
        tracing::info!("quiet");
        tracing::warn!(target: "t", "loud");
    });
    assert_eq!(lines, ["Warn t loud"]);
}

#[test]
fn spans_lend_their_fields() {
    let lines = lines_of(LevelFilter::INFO, || {
        let outer = tracing::info_span!("order", order = 7, customer = tracing::field::Empty);
        let _outer = outer.enter();
        outer.record("customer", 12);
        {
            let inner = tracing::info_span!("pay", method = "card");
            let _inner = inner.enter();
            tracing::info!(target: "t", "inside");
        }
        tracing::info!(target: "t", "outside");
        tracing::info!(target: "t", parent: None, "elsewhere");
    });
    assert_eq!(
        lines,
        ["Info t inside method=card order=7 customer=12", "Info t outside order=7 customer=12", "Info t elsewhere"]
    );
}

#[test]
fn closed_spans_leave_nothing_behind() {
    let mut spans = Spans::default();
    let outer = spans.insert("a=1".into(), None);
    let inner = spans.insert("b=2".into(), Some(outer.clone()));
    assert!(!spans.release(&outer), "its child holds it");
    assert!(spans.release(&inner));
    assert_eq!(spans.insert(String::new(), None), outer, "the number is free again");
    let mut line = String::from("x");
    spans.write(Some(inner), &mut line);
    assert_eq!(line, "x");
}

#[test]
fn a_value_that_logs_while_it_is_formatted() {
    struct Chatty;
    impl std::fmt::Debug for Chatty {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            // tracing may drop an event within an event; what matters is that nothing locks up.
            tracing::info!(target: "t", "formatting");
            f.write_str("chatty")
        }
    }
    let lines = lines_of(LevelFilter::INFO, || {
        let span = tracing::info_span!("s", value = ?Chatty);
        let _span = span.enter();
        tracing::info!(target: "t", "done");
    });
    assert_eq!(lines.last().map(String::as_str), Some("Info t done value=chatty"));
}
