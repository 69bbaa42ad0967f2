//! The interop tests of gRPC, against a module: from outside through an edge, from another module, and with all of them on
//! hosts of their own. The cases are in `tests/interop`.

use std::process::Command;
use std::time::Duration;

use hostel_interop::{CASES, COMPRESSED, DESCRIPTORS, Target, run};
use http::Uri;
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::rt::TokioExecutor;

use crate::harness::command;
use crate::harness::guests::{INTEROP, INTEROP_CALLER};
use crate::harness::http::Fixed;
use crate::harness::paths::root;
use crate::harness::wait::{LONG, within};
use crate::harness::world::{Place, World};

crate::both_ways! {
    every_case_passes_from_outside,
    every_case_passes_from_another_service,
}

/// By the service's name alone, as any client of gRPC does that knows nothing but an address.
async fn every_case_passes_from_outside(place: Place) {
    let world = place.with(&[], &[&INTEROP]).await;
    let pooled: Pooled<Fixed, tonic::body::Body> =
        Pooled::builder(TokioExecutor::new()).http2_only(true).build(Fixed(world.edge));
    let target = Target::new(pooled, Uri::try_from(world.url("")).unwrap());
    let mut wrong = Vec::new();
    for case in CASES.iter().chain(COMPRESSED) {
        let outcome = within(case, LONG, run(case, &target)).await;
        wrong.extend(outcome.err());
        is_over(&world, case, &["interop"]).await;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

async fn every_case_passes_from_another_service(place: Place) {
    let world = place.with(&[&INTEROP_CALLER], &[&INTEROP]).await;
    let mut wrong = Vec::new();
    for case in CASES.iter().chain(COMPRESSED) {
        let reply = world.get(&format!("/interop-caller/case/{case}")).await;
        if reply.status != 200 {
            wrong.push(format!("{case}: {reply}"));
        }
        is_over(&world, case, &["interop", "interop-caller"]).await;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// After a case nobody works on it any more, and much sooner than the work would have taken by itself.
async fn is_over(world: &World, case: &str, services: &[&str]) {
    for service in services {
        let what = format!("{case}: {service} has no call left");
        within(&what, Duration::from_secs(3), world.in_flight(service, 0)).await;
    }
}

/// By another implementation of gRPC, the one most others are tested with.
#[tokio::test]
async fn every_case_passes_with_grpcio() {
    let python = root().join("tests/interop/python");
    // Does nothing where `tests/run` was before.
    let mut install = Command::new(python.join("install.sh"));
    command::run(&mut install, Duration::from_secs(180)).await.expect(0);
    let world = Place::Local.with(&[], &[&INTEROP]).await;
    let folder = tempfile::tempdir().unwrap();
    let descriptors = folder.path().join("descriptors.bin");
    std::fs::write(&descriptors, DESCRIPTORS).unwrap();
    let mut client = Command::new(root().join("target/grpc-venv/bin/python"));
    client.arg(python.join("client.py")).arg(world.edge.to_string()).arg(descriptors);
    let output = command::run(&mut client, Duration::from_secs(60)).await.expect(0);
    for case in CASES.iter().chain(COMPRESSED) {
        assert!(output.out.lines().any(|line| line == format!("{case}: ok")), "no {case}: {output}");
    }
    is_over(&world, "after all cases", &["interop"]).await;
}
