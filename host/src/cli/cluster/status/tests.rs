use super::*;
use crate::admin::{ClientReport, CountersReport, NodeReport, ServerReport, SuspectedBy};

const NOW_S: u64 = 1_800_000_000;
const DAY_S: u64 = 24 * 3600;

fn served(service: &str, version: &str, state: &'static str) -> ServedReport {
    ServedReport { service: service.to_owned(), version: version.to_owned(), state: state.into(), weight: Some(100) }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

fn member(name: &str, state: &'static str) -> MemberReport {
    MemberReport {
        name: name.to_owned(),
        id: "0".repeat(32),
        zone: "a".to_owned(),
        gossip: at(7947),
        peer: at(7947),
        state: state.into(),
        age_s: 3_661,
        incarnation: 0,
        started_unix_s: NOW_S - 3_661,
        suspected_by: None,
        reachable: true,
        record: 1,
        services: Vec::new(),
        link: None,
    }
}

fn report(members: Vec<MemberReport>) -> ClusterReport {
    ClusterReport {
        cluster: "shop".to_owned(),
        node: NodeReport {
            name: "one".to_owned(),
            id: "1".repeat(32),
            zone: String::new(),
            gossip: at(7946),
            peer: at(7946),
            health: 0,
            certificate_expires_unix_s: NOW_S + 29 * DAY_S + 3_600,
            services: vec![served("orders", "1.0.0", "ready")],
        },
        members,
        server: ServerReport::default(),
        client: ClientReport::default(),
        counters: CountersReport::default(),
    }
}

#[test]
fn a_cluster_is_a_table() {
    let mut four = member("four", "alive");
    four.services = vec![served("orders", "1.0.0", "ready"), served("orders", "1.1.0", "draining")];
    four.link = Some(LinkReport { state: "ok".into(), connections: 2, in_flight: 7, failures: 0, last_error: None });
    let mut two = member("two", "suspect");
    two.suspected_by = Some(SuspectedBy { id: "4".repeat(32), name: Some("four".to_owned()) });
    two.reachable = false;
    two.gossip = at(7950);
    two.services = (1..=9).map(|number| served(&format!("s{number}"), "1", "ready")).collect();
    let error = Some("cannot connect to 10.0.0.1:7947: refused".to_owned());
    two.link =
        Some(LinkReport { state: "failed".into(), connections: 0, in_flight: 0, failures: 3, last_error: error });
    let mut earlier = member("one", "down");
    earlier.age_s = 5;
    earlier.reachable = false;
    let text = human(&report(vec![four, earlier, two]), NOW_S);
    let expected = [
        "node one of the cluster shop, well, certificate expires in 29 d 1 h",
        "3 other nodes: 1 alive, 1 suspect, 1 down",
        "",
        "NODE        STATE    AGE        ZONE  ADDRESS                               SERVES                                 SUSPECTED BY  LINK",
        "four        alive    1 h 1 min  a     10.0.0.1:7947                         orders 1.0.0, orders 1.1.0 (draining)  -             2 open, 7 in flight",
        "one (this)  alive    -          -     10.0.0.1:7946                         orders 1.0.0                           -             -",
        "one         down     5 s        a     10.0.0.1:7947                         -                                      -             -",
        "two         suspect  1 h 1 min  a     10.0.0.1:7947 (gossip 10.0.0.1:7950)  s1 1, s2 1, s3 1, s4 1, and 5 more     four          failed 3 times: cannot connect to 10.0.0.1:7947: refused",
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn json_field_names_are_stable() {
    let mut two = member("two", "alive");
    two.link = Some(LinkReport::default());
    two.suspected_by = Some(SuspectedBy { id: String::new(), name: None });
    let json = serde_json::to_value(report(vec![two])).unwrap();
    let keys = |pointer: &str| {
        let object = json.pointer(pointer).and_then(|value| value.as_object()).expect(pointer);
        object.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    for (pointer, names) in [
        ("", "client cluster counters members node server"),
        ("/node", "certificate_expires_unix_s gossip health id name peer services zone"),
        (
            "/members/0",
            "age_s gossip id incarnation link name peer reachable record services started_unix_s state suspected_by zone",
        ),
        ("/members/0/link", "connections failures in_flight last_error state"),
        ("/members/0/suspected_by", "id name"),
        ("/node/services/0", "service state version weight"),
        ("/server", "accepted calls connections last_refusal panics refused"),
        ("/client", "calls connect_failed connected connections in_flight lost saturated unprocessed"),
        (
            "/counters",
            "bytes_received bytes_sent exchange_bytes exchanges exchanges_failed late malformed members_refused \
             packets_clock packets_foreign packets_received packets_replayed packets_sent refutations rejoins",
        ),
    ] {
        let mut sorted: Vec<_> = keys(pointer).split(' ').map(str::to_owned).collect();
        sorted.sort();
        assert_eq!(sorted.join(" "), names, "{pointer}");
    }
}

#[test]
fn being_alone_is_said() {
    let text = human(&report(Vec::new()), NOW_S);
    assert!(text.contains("no other nodes known") && text.contains("one (this)"), "{text}");
}

#[test]
fn troubles_are_below_the_table() {
    assert!(!human(&report(Vec::new()), NOW_S).contains("renewed"));
    let mut report = report(vec![member("two", "alive")]);
    report.node.health = 2;
    report.node.certificate_expires_unix_s = NOW_S - 7_200;
    report.server.refused = 3;
    report.server.last_refusal = Some("10.9.9.9:1: no certificate\u{1b}[2J".to_owned());
    report.counters.packets_foreign = 4;
    report.counters.packets_clock = 5;
    let text = human(&report, NOW_S);
    for part in [
        "health 2",
        "certificate expired 2 h 0 min ago",
        "`hostel cluster token --node one`",
        "3 incoming connections were refused; the last: 10.9.9.9:1: no certificate",
        "4 packets of gossip",
        "5 packets were refused for their time",
        "1 other node: 1 alive",
    ] {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
    assert!(!text.contains('\u{1b}'), "{text:?}");
    report.node.certificate_expires_unix_s = NOW_S + DAY_S;
    assert!(human(&report, NOW_S).contains("has to be renewed"));
}

#[test]
fn cells_are_short_and_say_what_matters() {
    let five: Vec<_> = (1..=5).map(|number| served(&format!("s{number}"), "1", "ready")).collect();
    assert_eq!(serves(&five), "s1 1, s2 1, s3 1, s4 1, s5 1");
    assert_eq!(serves(&[]), "-");
    assert_eq!(link(None, true), "-");
    assert_eq!(link(None, false), "- (not reachable)");
    let failed = LinkReport { state: "failed".into(), connections: 1, in_flight: 0, failures: 1, last_error: None };
    assert_eq!(link(Some(&failed), false), "1 open, failed once");
}

#[test]
fn a_node_that_nobody_can_link_to_stands_out() {
    let mut foreign = member("foreign", "alive");
    let error = Some("no link with 10.0.0.1:7947: not signed by this cluster's CA".to_owned());
    foreign.link =
        Some(LinkReport { state: "refused".into(), connections: 0, in_flight: 0, failures: 2, last_error: error });
    let text = human(&report(vec![foreign.clone()]), NOW_S);
    assert!(text.contains("refused 2 times: no link with 10.0.0.1:7947"), "{text}");
    assert!(text.contains("\nforeign gets no calls from here, whatever its state: no link with"), "{text}");
    foreign.state = "down".into();
    assert!(!human(&report(vec![foreign]), NOW_S).contains("gets no calls"));
}
