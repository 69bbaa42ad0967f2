//! What holds for any [`Transport`], real or not.

use std::time::Duration;

use super::*;

async fn receive(transport: &impl Transport, room: usize) -> Option<(Vec<u8>, SocketAddr)> {
    let mut buffer = vec![0; room];
    let received = tokio::time::timeout(Duration::from_secs(5), transport.receive(&mut buffer)).await.ok()?;
    let (size, from) = received.unwrap();
    buffer.truncate(size);
    Some((buffer, from))
}

/// All that both have to do. `a` and `b` are at different addresses.
async fn conforms(a: impl Transport, b: impl Transport, nobody: SocketAddr) {
    let (at_a, at_b) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    assert_ne!(at_a, at_b);

    a.send(at_b, b"hello").await.unwrap();
    assert_eq!(receive(&b, 100).await, Some((b"hello".to_vec(), at_a)), "content and sender arrive");
    b.send(at_a, b"answer").await.unwrap();
    assert_eq!(receive(&a, 100).await, Some((b"answer".to_vec(), at_b)), "the sender can be answered");

    a.send(at_b, b"one").await.unwrap();
    a.send(at_b, b"two").await.unwrap();
    let both = [receive(&b, 100).await, receive(&b, 100).await].map(|packet| packet.unwrap().0);
    assert_eq!(both, [b"one".to_vec(), b"two".to_vec()], "packets stay apart");

    let large = vec![7; 1_400];
    a.send(at_b, &large).await.unwrap();
    assert_eq!(receive(&b, 2_000).await.unwrap().0, large);
    a.send(at_b, &large).await.unwrap();
    assert_eq!(receive(&b, 10).await.unwrap().0, vec![7; 10], "what does not fit is cut off");
    a.send(at_b, b"next").await.unwrap();
    assert_eq!(receive(&b, 100).await.unwrap().0, b"next", "and its rest is not another packet");

    // Nobody is there: the transport may say so, and goes on.
    let _ = a.send(nobody, b"x").await;
    let _ = a.send(nobody, b"x").await;
    let mut buffer = [0; 8];
    let dropped = tokio::time::timeout(Duration::from_millis(20), b.receive(&mut buffer)).await;
    assert!(dropped.is_err(), "there was nothing to receive");
    a.send(at_b, b"still").await.or(a.send(at_b, b"still").await).unwrap();
    assert_eq!(receive(&b, 100).await.unwrap().0, b"still", "a dropped receive lost nothing");
    drop(b);
    let _ = a.send(at_b, b"gone").await;
}

#[tokio::test]
async fn udp_conforms() {
    let any = "127.0.0.1:0".parse().unwrap();
    let nobody = UdpTransport::bind(any).unwrap().local_addr().unwrap();
    conforms(UdpTransport::bind(any).unwrap(), UdpTransport::bind(any).unwrap(), nobody).await;
}

#[tokio::test]
async fn memory_conforms() {
    let network = MemoryNetwork::new(1);
    let nobody = network.bind_any().unwrap().local_addr().unwrap();
    conforms(network.bind_any().unwrap(), network.bind_any().unwrap(), nobody).await;
}

#[tokio::test(start_paused = true)]
async fn the_network_in_memory_has_the_faults_it_is_told_to_have() {
    let network = MemoryNetwork::new(2);
    let (a, b) = (network.bind_any().unwrap(), network.bind_any().unwrap());
    let (at_a, at_b) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    assert_eq!(network.bind(at_a).unwrap_err().kind(), io::ErrorKind::AddrInUse);

    network.cut(at_a, at_b);
    a.send(at_b, b"lost").await.unwrap();
    b.send(at_a, b"one way").await.unwrap();
    assert_eq!(receive(&a, 100).await.unwrap().0, b"one way");
    assert_eq!(receive(&b, 100).await, None);
    network.heal();

    network.set_faults(Faults { mtu: 10, ..Faults::default() });
    a.send(at_b, &[1; 11]).await.unwrap();
    a.send(at_b, &[2; 10]).await.unwrap();
    assert_eq!(receive(&b, 100).await.unwrap().0, [2; 10]);

    let delay_max = Duration::from_millis(50);
    network.set_faults(Faults { loss: 0.2, duplicated: 0.2, delay_max, ..Faults::default() });
    let mut came = Vec::new();
    for number in 0..100_u8 {
        a.send(at_b, &[number]).await.unwrap();
    }
    while let Some((packet, _)) = receive(&b, 10).await {
        came.push(packet[0]);
    }
    let distinct: std::collections::BTreeSet<_> = came.iter().copied().collect();
    assert!(distinct.len() < 95, "nothing was lost");
    assert!(came.len() > distinct.len(), "nothing came twice");
    assert!(!came.is_sorted(), "nothing was overtaken");
}
