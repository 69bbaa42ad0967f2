//! A process that is killed while it writes: what it acknowledged is there.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

const DIR_VARIABLE: &str = "HOSTEL_TEST_STORE_CRASH_DIR";
const ROUND_VARIABLE: &str = "HOSTEL_TEST_STORE_CRASH_ROUND";
const SEED_VARIABLE: &str = "HOSTEL_TEST_STORE_CRASH_SEED";
const WRITES: usize = 10_000;
const WRITERS: usize = 32;
const ROUNDS: usize = 4;

/// Not a test of its own: what [`acknowledged_writes_survive_being_killed`] runs as another process.
#[test]
fn crash_child() {
    let Some(dir) = std::env::var_os(DIR_VARIABLE) else {
        return;
    };
    let round: usize = std::env::var(ROUND_VARIABLE).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = Arc::new(RedbStore::open(&config(Path::new(&dir))).unwrap());
        let tasks: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    for i in (writer..WRITES).step_by(WRITERS) {
                        let (b, key) = (bucket(), format!("{round}-{i}"));
                        let batch =
                            vec![Op::set(&b, key.clone(), vec![7; i % 2000]), Op::set(&b, format!("{key} twin"), "")];
                        apply(&*store, batch).await.unwrap();
                        // In one write, as the parent reads lines. It begins a line, since the test harness may not.
                        let line = format!("\nack {key}\n");
                        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

fn spawn_child(dir: &Path, round: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg(format!("{}::crash_child", module_path!().split_once("::").unwrap().1))
        .env(DIR_VARIABLE, dir)
        .env(ROUND_VARIABLE, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn acknowledged_writes_survive_being_killed() {
    let seed = match std::env::var(SEED_VARIABLE) {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => rand::random(),
    };
    println!("seed {seed}; to repeat: {SEED_VARIABLE}={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        let acks_max = rng.random_range(1..WRITES);
        let pause = Duration::from_micros(rng.random_range(0..8000));
        let mut child = spawn_child(dir.path(), round);
        let mut acks = 0;
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The pipe holds acknowledgements from after the kill, too: all that were printed count.
        for line in lines.map_while(Result::ok) {
            let Some(key) = line.strip_prefix("ack ") else {
                continue;
            };
            acknowledged.insert(key.to_owned());
            acks += 1;
            if acks == acks_max {
                std::thread::sleep(pause);
                // SIGKILL on Unix.
                child.kill().unwrap();
            }
        }
        let status = child.wait().unwrap();
        assert!(!status.success() && acks >= acks_max, "round {round}: {status}, {acks} acks");

        let store = RedbStore::open(&config(dir.path())).unwrap();
        assert_eq!(store.snapshot().corrected_total, 0, "seed {seed}, round {round}");
        let mut stored = BTreeSet::new();
        let mut after = None;
        loop {
            let page = store.list_keys(&space("n"), "b", after.as_deref(), 1000).unwrap();
            stored.extend(page.keys);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for key in &acknowledged {
            assert!(stored.contains(key), "seed {seed}, round {round}: {key} is lost");
        }
        for key in &stored {
            let twin = match key.strip_suffix(" twin") {
                Some(key) => key.to_owned(),
                None => format!("{key} twin"),
            };
            assert!(stored.contains(&twin), "seed {seed}, round {round}: {key} is half a batch");
        }
        let unacknowledged = stored.len() / 2 - acknowledged.len();
        println!("round {round}: killed after {acks} acks; {unacknowledged} more were stored");
    }
}
