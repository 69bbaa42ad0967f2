use proptest::prelude::*;

use super::*;

fn context() -> CallContext {
    CallContext {
        deadline: Deadline::after(Duration::from_secs(5)),
        trace: TraceContext::new_root(),
        caller: Caller::Edge,
        depth: 1,
        route: None,
    }
}

fn orders() -> ServiceName {
    ServiceName::new("orders").unwrap()
}

#[test]
fn what_changes_from_call_to_call_stays_out_of_the_table() {
    let (head, _) = request(&orders(), Request::new(Body::empty()), &context(), 8 << 10).unwrap();
    let sensitive: Vec<_> =
        head.headers().iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name).collect();
    assert_eq!(sensitive, ["hostel-timeout", "traceparent"]);
}

#[test]
fn whole_bodies_are_announced_and_large_ones_are_not() {
    let size = |size: usize| {
        let (head, _) = request(&orders(), Request::new(Body::full(vec![0; size], None)), &context(), 8 << 10).unwrap();
        head.headers().contains_key(WHOLE)
    };
    assert!(!size(0) && size(1) && size(WHOLE_BYTES_MAX) && !size(WHOLE_BYTES_MAX + 1));
}

#[test]
fn interim_responses_are_none() {
    let mut interim = Response::new(Body::empty());
    *interim.status_mut() = http::StatusCode::from_u16(103).unwrap();
    let error = response(interim, false, 8 << 10).err().unwrap();
    assert_eq!((error.kind(), error.side()), (ErrorKind::BadResponse, Side::Callee));
}

/// Each end is told of its own mistake: a service whose trailers are too large has answered badly, its caller did nothing wrong.
#[test]
fn trailers_that_are_too_large_are_the_mistake_of_whoever_made_them() {
    let large = || HeaderMap::from_iter([(http::header::COOKIE, HeaderValue::from_bytes(&[b'x'; 9 << 10]).unwrap())]);
    let body = || Body::full("x", Some(large()));
    let error = request(&orders(), Request::new(body()), &context(), 8 << 10).err().unwrap();
    assert_eq!((error.kind(), error.side()), (ErrorKind::HeadersTooLarge, Side::Caller));
    let error = response(Response::new(body()), false, 8 << 10).err().unwrap();
    assert_eq!((error.kind(), error.side()), (ErrorKind::BadResponse, Side::Callee));
}

fn name() -> impl Strategy<Value = HeaderName> {
    prop_oneof![
        "[a-z][a-z0-9-]{0,20}".prop_map(|name| HeaderName::from_bytes(name.as_bytes()).unwrap()),
        "hostel-[a-z]{1,9}".prop_map(|name| HeaderName::from_bytes(name.as_bytes()).unwrap()),
        prop::sample::select(vec![TARGET, CONTROL, ROUTE, WHOLE, LENGTH, METHOD, header::CALLER, header::DEPTH]),
    ]
}

fn value() -> impl Strategy<Value = HeaderValue> {
    prop::collection::vec(prop_oneof![32..127u8, 128..=255u8], 0..40)
        .prop_map(|bytes| HeaderValue::from_bytes(&bytes).unwrap())
}

proptest! {
    #[test]
    fn whatever_guests_say_the_hosts_fields_arrive(
        headers in prop::collection::vec((name(), value()), 0..20),
        depth: u32,
        route in prop::option::of(any::<String>()),
    ) {
        let mut sent = Request::new(Body::full("x", None));
        for (name, value) in &headers {
            sent.headers_mut().append(name, value.clone());
        }
        let context = CallContext { depth, route: route.map(Into::into), ..context() };
        let (head, _) = request(&orders(), sent, &context, 64 << 10).unwrap();
        let (mut head, ()) = head.into_parts();
        let Arrived::Call { target, context: arrived } = arrived(&mut head).unwrap() else { panic!("control") };
        unseal(&mut head.headers);
        prop_assert_eq!(target, orders());
        prop_assert_eq!((arrived.depth, arrived.route, arrived.trace), (context.depth, context.route, context.trace));
        prop_assert!(head.headers.keys().all(|name| !name.as_str().starts_with(header::RESERVED_PREFIX)));
        // What belongs to nobody in particular is still there.
        let ours = |name: &HeaderName| {
            let fixed = header::HOP_BY_HOP.contains(name) || *name == TE || *name == header::TRACEPARENT;
            fixed || *name == header::GRPC_TIMEOUT || name.as_str().starts_with(header::RESERVED_PREFIX)
        };
        if !headers.iter().any(|(name, _)| *name == http::header::CONNECTION) {
            let expected = headers.iter().filter(|(name, _)| !ours(name)).count();
            prop_assert_eq!(head.headers.len(), expected);
        }
    }

    #[test]
    fn a_head_that_was_changed_on_the_way_is_a_request_or_an_error(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, value()), 1..4),
        control: bool,
    ) {
        let context = CallContext { route: Some("/a/{b}".into()), ..context() };
        let head = match control {
            true => control_request("state", Duration::from_secs(5)).unwrap(),
            false => request(&orders(), Request::new(Body::full("x", None)), &context, 8 << 10).unwrap().0,
        };
        let (mut head, ()) = head.into_parts();
        for (which, how, value) in changes {
            let names: Vec<_> = head.headers.keys().cloned().collect();
            let Some(name) = names.get(which.index(names.len().max(1))) else { break };
            let mut bytes = head.headers[name].as_bytes().to_vec();
            match how {
                0 => drop(head.headers.remove(name)),
                1 => drop(head.headers.insert(name.clone(), value)),
                2 => drop(head.headers.append(name.clone(), value)),
                _ => {
                    // One character of it.
                    let at = which.index(bytes.len().max(1));
                    if let (Some(byte), Some(new)) = (bytes.get_mut(at), value.as_bytes().first()) {
                        *byte = *new;
                    }
                    head.headers.insert(name.clone(), HeaderValue::from_bytes(&bytes).unwrap());
                }
            }
        }
        if let Ok(Arrived::Call { context, .. }) = arrived(&mut head) {
            prop_assert!(context.deadline.remaining() <= Duration::from_secs(366 * 24 * 3600));
        }
        unseal(&mut head.headers);
        prop_assert!(head.headers.keys().all(|name| !name.as_str().starts_with(header::RESERVED_PREFIX)));
    }

    #[test]
    fn any_head_is_a_request_or_an_error(headers in prop::collection::vec((name(), value()), 0..20)) {
        let (mut head, ()) = http::Request::new(()).into_parts();
        for (name, value) in headers {
            head.headers.append(name, value);
        }
        let _ = arrived(&mut head);
        unseal(&mut head.headers);
        prop_assert!(head.headers.keys().all(|name| !name.as_str().starts_with(header::RESERVED_PREFIX)));
    }
}
