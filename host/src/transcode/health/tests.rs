use super::*;

fn request(service: &str) -> Vec<u8> {
    CheckRequest { service: service.to_owned() }.encode_to_vec()
}

fn health(ready: bool, services: &[(&str, bool)]) -> Health {
    let mut health = Health::new(ready);
    services.iter().for_each(|(name, ready)| health.insert(*name, *ready));
    health
}

/// What a response says, as its bytes are on the wire.
fn says(response: &[u8]) -> Serving {
    match response {
        [] => Serving::Unknown,
        [8, 1] => Serving::Serving,
        [8, 2] => Serving::NotServing,
        [8, 3] => Serving::ServiceUnknown,
        other => panic!("{other:?}"),
    }
}

#[test]
fn check_tells_each_service_from_the_host() {
    let health = health(true, &[("shop.Orders", true), ("orders", true), ("shop.Users", false)]);
    for (name, expected) in [
        ("", Serving::Serving),
        ("shop.Orders", Serving::Serving),
        ("orders", Serving::Serving),
        ("shop.Users", Serving::NotServing),
    ] {
        assert_eq!(says(&health.check(&request(name)).unwrap()), expected, "{name}");
    }
    let error = health.check(&request("shop.Nothing")).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.code()), ("this host serves no `shop.Nothing`", Code::NotFound));
    // No request at all is one for the host.
    assert_eq!(says(&health.check(&[]).unwrap()), Serving::Serving);
}

#[test]
fn nothing_is_served_by_a_host_that_is_not_ready() {
    let draining = health(false, &[("shop.Orders", true)]);
    for name in ["", "shop.Orders"] {
        assert_eq!(says(&draining.check(&request(name)).unwrap()), Serving::NotServing, "{name}");
    }
    assert_eq!(draining.check(&request("x")).unwrap_err().code(), Code::NotFound);
}

#[test]
fn a_name_of_several_is_ready_when_all_are() {
    for (first, second) in [(true, false), (false, true), (false, false)] {
        let health = health(true, &[("orders", first), ("orders", second)]);
        assert_eq!(health.serving("orders"), Serving::NotServing);
    }
    assert_eq!(health(true, &[("orders", true), ("orders", true)]).serving("orders"), Serving::Serving);
    // The host has its own readiness.
    assert_eq!(health(true, &[("", false)]).serving(""), Serving::Serving);
}

#[test]
fn watch_tells_what_is_now_and_then_what_changes() {
    let mut watch = Watch::new(&request("shop.Orders")).unwrap();
    assert_eq!(watch.service(), "shop.Orders");
    let mut said = Vec::new();
    for health in [
        health(true, &[]),
        health(true, &[("shop.Users", true)]),
        health(true, &[("shop.Orders", false)]),
        health(true, &[("shop.Orders", true)]),
        health(true, &[("shop.Orders", true), ("shop.Users", false)]),
        health(false, &[("shop.Orders", true)]),
        health(false, &[("shop.Orders", false)]),
        health(true, &[("shop.Orders", true)]),
        health(true, &[]),
        health(false, &[]),
    ] {
        said.extend(watch.update(&health).map(|response| says(&response)));
    }
    use Serving::{NotServing, ServiceUnknown};
    let expected = [ServiceUnknown, NotServing, Serving::Serving, NotServing, Serving::Serving, ServiceUnknown];
    assert_eq!(said, expected);
}

#[test]
fn list_lists_all_up_to_a_number() {
    let few = health(true, &[("a.A", true), ("b", false), ("", true)]);
    let listed = ListResponse::decode(&*few.list(&[]).unwrap()).unwrap().statuses;
    let listed: BTreeMap<_, _> = listed.iter().map(|(name, response)| (&**name, response.status)).collect();
    assert_eq!(listed, BTreeMap::from([("", 1), ("a.A", 1), ("b", 2)]));

    let mut many = Health::new(true);
    (1..LIST_MAX).for_each(|n| many.insert(n.to_string(), true));
    assert!(many.list(&[]).is_ok());
    many.insert("one more", true);
    let error = many.list(&[]).unwrap_err();
    assert_eq!((&error, error.code()), (&HealthError::TooMany { services: 101 }, Code::ResourceExhausted));
}

#[test]
fn requests_are_bounded_and_read_strictly() {
    let health = Health::new(true);
    let large = request(&"n".repeat(REQUEST_BYTES_MAX));
    for (request, code) in [(&*large, Code::ResourceExhausted), (&[0x0a, 2, 0xff], Code::InvalidArgument)] {
        assert_eq!(health.check(request).unwrap_err().code(), code);
        assert_eq!(Watch::new(request).unwrap_err().code(), code);
        assert_eq!(health.list(request).unwrap_err().code(), code);
    }
    // A field of a version to come.
    assert!(health.check(&[0xf8, 0x3f, 1]).is_ok());
}

#[test]
fn mutated_requests_are_answered_or_refused() {
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    let health = health(true, &[("shop.Orders", true)]);
    let mut random = SmallRng::seed_from_u64(20_260_103);
    for _ in 0..100_000 {
        let mut request = request("shop.Orders");
        for _ in 0..random.random_range(0..4) {
            let at = random.random_range(0..request.len());
            request[at] = random.random();
        }
        request.truncate(random.random_range(0..=request.len() * 2));
        let _ = (health.check(&request), health.list(&request));
        if let Ok(mut watch) = Watch::new(&request) {
            assert!(watch.update(&health).is_some());
            assert!(watch.update(&health).is_none());
        }
    }
}
