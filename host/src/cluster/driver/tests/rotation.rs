//! Keys of a running cluster are replaced, node after node.

use super::*;

use crate::cluster::{MemberState, Status};

fn keys(primary: u8, others: &[u8]) -> Keyring {
    let secret = |byte: &u8| Secret::from_bytes([*byte; 32]);
    Keyring::new(&secret(&primary), &others.iter().map(secret).collect::<Vec<_>>()).unwrap()
}

/// Looks at all of `nodes` for two seconds, ten times a second: all of them are members for each other, and nobody is
/// suspected.
async fn all_is_well(when: &str, nodes: &[Handle]) {
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        for node in nodes {
            let status = node.status().await.unwrap();
            let well = status.members.iter().all(|member| member.state == MemberState::Alive && member.reachable);
            assert!(well && status.members.len() == nodes.len() - 1, "{when}: {} sees {status:?}", node.me().name());
        }
    }
}

/// A cluster of five with the key 1, whose members know each other and the service of the first.
async fn formed(links: &Links, network: &MemoryNetwork) -> (Vec<Handle>, SocketAddr) {
    let first = network.bind_any().unwrap();
    let seed = first.local_addr().unwrap();
    let mut nodes = vec![links.start("n0", first, &[seed], 1)];
    for at in 1..5 {
        nodes.push(links.start(&format!("n{at}"), network.bind_any().unwrap(), &[seed], 1));
    }
    nodes[0].publish(vec![offer("orders")]).await.unwrap().unwrap();
    let sees_all = |node: &Handle| node.reader().load().nodes().count() == 4;
    until("all know each other", || nodes.iter().all(sees_all)).await;
    until("all know the service", || nodes[1..].iter().all(|node| endpoints(node, "orders").len() == 1)).await;
    (nodes, seed)
}

/// Adds the key 2 to the rings of `nodes`, makes it the primary, drops the key 1: each on node after node.
async fn rotate(nodes: &[Handle], watched: &[Handle]) {
    for (step, primary, others) in [("add", 1, &[2][..]), ("promote", 2, &[1]), ("drop", 2, &[])] {
        for node in nodes {
            node.set_keys(keys(primary, others)).await.unwrap();
            all_is_well(&format!("{step} on {}", node.me().name()), watched).await;
        }
    }
}

fn count(nodes: &[Handle], counter: fn(&Counters) -> &std::sync::atomic::AtomicU64) -> u64 {
    nodes.iter().map(|node| counter(node.counters()).load(std::sync::atomic::Ordering::Relaxed)).sum()
}

#[tokio::test(start_paused = true)]
async fn keys_are_rotated_on_node_after_node_and_nobody_is_suspected() {
    let (links, network) = (Links::default(), MemoryNetwork::new(3));
    let (nodes, seed) = formed(&links, &network).await;
    let mut notices: Vec<_> = nodes.iter().map(Handle::notices).collect();
    rotate(&nodes, &nodes).await;
    for notices in &mut notices {
        assert!(notices.try_recv().is_err(), "somebody came or went");
    }
    assert_eq!(count(&nodes, |c| &c.packets_foreign), 0, "somebody did not understand somebody");
    assert_eq!(count(&nodes, |c| &c.refutations) + count(&nodes, |c| &c.rejoins), 0);

    // Who comes with the old key stays alone, learns nothing, and nobody minds.
    let late = links.start("late", network.bind_any().unwrap(), &[seed], 1);
    all_is_well("with a stranger at the door", &nodes).await;
    nodes[2].publish(vec![offer("payments")]).await.unwrap().unwrap();
    until("the members know", || endpoints(&nodes[4], "payments").len() == 1).await;
    all_is_well("and after that", &nodes).await;
    assert!(late.status().await.unwrap().members.is_empty());
    assert!(late.reader().load().is_empty() && late.reader().load().nodes().next().is_none());
    assert!(count(&nodes, |c| &c.packets_foreign) > 0, "it did not even try");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_missed_the_rotation_is_out_and_disturbs_nobody() {
    let (links, network) = (Links::default(), MemoryNetwork::new(4));
    let (mut nodes, _) = formed(&links, &network).await;
    let forgotten = nodes.pop().unwrap();
    let mut notices: Vec<_> = nodes.iter().map(Handle::notices).collect();
    for (primary, others) in [(1, &[2][..]), (2, &[1]), (2, &[])] {
        for node in &nodes {
            node.set_keys(keys(primary, others)).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    let gone = |node: &Handle| node.reader().load().node(forgotten.me().id()).is_none();
    until("it is out", || nodes.iter().all(gone)).await;
    until("it knows nobody any more", || forgotten.reader().load().nodes().next().is_none()).await;
    nodes[2].publish(vec![offer("payments")]).await.unwrap().unwrap();
    let only_it_is_down = |status: &Status| {
        let others = status.members.iter().filter(|member| member.node.id() != forgotten.me().id());
        others.filter(|member| member.state == MemberState::Alive).count() == nodes.len() - 1
    };
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        for node in &nodes {
            let status = node.status().await.unwrap();
            assert!(only_it_is_down(&status), "{} sees {status:?}", node.me().name());
        }
        assert!(forgotten.reader().load().is_empty(), "it learnt something");
    }
    for notices in &mut notices {
        while let Ok(notice) = notices.try_recv() {
            assert!(matches!(&notice, Notice::MemberDown(node) if node.id() == forgotten.me().id()), "{notice:?}");
        }
    }
    assert_eq!(count(&nodes, |c| &c.rejoins), 0);
}
