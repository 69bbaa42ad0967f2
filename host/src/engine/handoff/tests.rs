use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use tokio::sync::{mpsc, oneshot};

use super::*;

type Ping = oneshot::Sender<ThreadId>;

/// Something that answers with the thread it runs on.
fn answerer(runtime: &Handle) -> mpsc::UnboundedSender<Ping> {
    let (inbox, mut pings) = mpsc::unbounded_channel::<Ping>();
    spawn(runtime, async move {
        while let Some(ping) = pings.recv().await {
            let _ = ping.send(thread::current().id());
        }
    });
    inbox
}

async fn ask(inbox: &mpsc::UnboundedSender<Ping>) -> ThreadId {
    let (ping, pong) = oneshot::channel();
    let ((), handed) = hand_over(|| inbox.send(ping).unwrap());
    handed.run();
    pong.await.unwrap()
}

fn serving_runtime(threads: usize) -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(threads).enable_all().on_thread_start(serve_on_this_thread).build().unwrap()
}

#[test]
fn what_is_handed_over_together_runs_together() {
    let runtime = serving_runtime(1);
    let (order, mut seen) = mpsc::unbounded_channel();
    let asking = runtime.spawn(async move {
        let tasks: Vec<_> = (0..10)
            .map(|number| {
                let order = order.clone();
                tokio::spawn(async move {
                    let inbox = answerer(&Handle::current());
                    ask(&inbox).await;
                    let (ping, pong) = oneshot::channel();
                    let ((), handed) = hand_over(|| inbox.send(ping).unwrap());
                    handed.run();
                    order.send(format!("asked {number}")).unwrap();
                    pong.await.unwrap();
                    order.send(format!("answered {number}")).unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    runtime.block_on(asking).unwrap();
    let mut lines = Vec::new();
    while let Ok(line) = seen.try_recv() {
        lines.push(line);
    }
    let turns = lines.windows(2).filter(|pair| pair[0].starts_with("asked") != pair[1].starts_with("asked")).count();
    assert!(turns < 10, "asked and answered one by one: {lines:?}");
}

/// Calls that come together on one instance are no sign of a connection that is alone.
#[test]
fn calls_on_one_instance_go_on_being_handed_over_together() {
    const ASKING: usize = 4;
    const TIMES: usize = 50;
    let runtime = serving_runtime(1);
    let turns = Arc::new(AtomicUsize::new(0));
    let (inbox, mut pings) = mpsc::unbounded_channel::<Ping>();
    let counted = turns.clone();
    spawn(runtime.handle(), async move {
        let mut all = Vec::new();
        while pings.recv_many(&mut all, ASKING).await > 0 {
            counted.fetch_add(1, Ordering::SeqCst);
            for ping in all.drain(..) {
                let _ = ping.send(thread::current().id());
            }
        }
    });
    let asking = runtime.spawn(async move {
        let ask_often = |inbox: mpsc::UnboundedSender<Ping>| async move {
            for _ in 0..TIMES {
                ask(&inbox).await;
            }
        };
        let tasks: Vec<_> = (0..ASKING).map(|_| tokio::spawn(ask_often(inbox.clone()))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    runtime.block_on(asking).unwrap();
    let turns = turns.load(Ordering::SeqCst);
    assert!(turns <= ASKING * TIMES / 2, "{} calls took {turns} turns", ASKING * TIMES);
}

#[test]
fn a_task_that_calls_another_is_answered_and_nothing_runs_inside_another() {
    let runtime = serving_runtime(2);
    static INSIDE: AtomicUsize = AtomicUsize::new(0);
    let callee = answerer(runtime.handle());
    let (inbox, mut pings) = mpsc::unbounded_channel::<Ping>();
    spawn(runtime.handle(), async move {
        while let Some(ping) = pings.recv().await {
            assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0, "run while it was running");
            let asked = ask(&callee);
            INSIDE.fetch_sub(1, Ordering::SeqCst);
            let _ = ping.send(asked.await);
        }
    });
    let asking = runtime.spawn(async move {
        for _ in 0..1000 {
            ask(&inbox).await;
        }
    });
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), asking).await }).unwrap().unwrap();
}

#[test]
fn threads_that_do_not_serve_run_nothing() {
    let runtime = serving_runtime(2);
    let inbox = answerer(runtime.handle());
    let there = futures::executor::block_on(ask(&inbox));
    assert_ne!(there, thread::current().id());
}

#[test]
fn what_was_handed_over_and_dropped_runs_all_the_same() {
    let runtime = serving_runtime(2);
    let inbox = answerer(runtime.handle());
    let asking = runtime.spawn(async move {
        ask(&inbox).await;
        let (ping, pong) = oneshot::channel();
        drop(hand_over(|| inbox.send(ping).unwrap()));
        pong.await.unwrap()
    });
    runtime.block_on(asking).unwrap();
}

#[test]
fn a_panic_ends_the_task_and_nothing_else() {
    let runtime = serving_runtime(2);
    let dropped = Arc::new(());
    let (inbox, mut pings) = mpsc::unbounded_channel::<Ping>();
    let held = dropped.clone();
    spawn(runtime.handle(), async move {
        let _held = held;
        let _ping = pings.recv().await;
        panic!("a panic was asked for");
    });
    let other = answerer(runtime.handle());
    let asking = runtime.spawn(async move {
        let (ping, pong) = oneshot::channel();
        let ((), handed) = hand_over(|| inbox.send(ping).unwrap());
        handed.run();
        assert!(pong.await.is_err());
        ask(&other).await;
    });
    runtime.block_on(asking).unwrap();
    assert_eq!(Arc::strong_count(&dropped), 1);
}
