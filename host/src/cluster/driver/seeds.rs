//! Where to ask first.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;

use crate::cluster::settings::Settings;
use crate::observe::seldom::Seldom;

/// Most seeds, of the list and the file each, and most addresses that all of them stand for.
const SEEDS_MAX: usize = 64;
/// Most bytes read of the file.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// How long a name server may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Seeds as they are written, and the addresses that they stand for now.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) names: Vec<String>,
    pub(super) addresses: Vec<SocketAddr>,
}

/// Finds out what the seeds stand for now. What cannot be resolved is left out; it may work next time. That is told at once,
/// and then seldom, as `told` remembers: it is tried every second.
pub(super) async fn resolve(settings: &Settings, told: &Seldom) -> Found {
    let mut names = settings.seeds.clone();
    if !settings.seeds_file.as_os_str().is_empty() {
        match read(settings).await {
            Ok(text) => names.extend(lines(&text).map(str::to_owned)),
            Err(error) if told.may_say("") => {
                tracing::warn!(file = %settings.seeds_file.display(), %error, "cannot read the seeds");
            }
            Err(_) => {}
        }
    }
    let mut found = BTreeSet::new();
    names.truncate(2 * SEEDS_MAX);
    for name in &names {
        let error = match tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host(name)).await {
            Ok(Ok(addresses)) => {
                found.extend(addresses.take(SEEDS_MAX));
                if told.forget(name) {
                    tracing::info!(seed = name, "a seed can be resolved now");
                }
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the name server does not answer within {} s", LOOKUP_TIMEOUT.as_secs()),
        };
        if told.may_say(name) {
            tracing::warn!(
                seed = name,
                error,
                "cannot resolve a seed, which has to be HOST:PORT; it is tried again, and told of at most once a minute"
            );
        }
    }
    Found { names, addresses: found.into_iter().take(SEEDS_MAX).collect() }
}

async fn read(settings: &Settings) -> std::io::Result<String> {
    let mut text = String::new();
    tokio::fs::File::open(&settings.seeds_file).await?.take(FILE_BYTES_MAX).read_to_string(&mut text).await?;
    Ok(text)
}

/// One seed a line; empty lines and those that begin with `#` mean nothing.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).take(SEEDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn seeds_come_from_the_list_the_file_and_names() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("seeds");
        std::fs::write(&file, "# ours\n\n 127.0.0.2:7 \nnot an address\n").unwrap();
        let settings = Settings {
            seeds: vec!["127.0.0.1:7".to_owned(), "localhost:9".to_owned()],
            seeds_file: file.clone(),
            ..Settings::default()
        };
        let told = Seldom::default();
        let Found { names, addresses: found } = resolve(&settings, &told).await;
        assert_eq!(names, ["127.0.0.1:7", "localhost:9", "127.0.0.2:7", "not an address"]);
        assert!(!told.may_say("not an address") && told.may_say("localhost:9"), "what cannot be resolved is told");
        for address in ["127.0.0.1:7", "127.0.0.2:7"] {
            assert!(found.contains(&address.parse().unwrap()), "{address} of {found:?}");
        }
        assert!(found.iter().any(|address| address.port() == 9 && address.ip().is_loopback()), "{found:?}");
        std::fs::remove_file(file).unwrap();
        assert!(
            !resolve(&settings, &told).await.addresses.is_empty(),
            "a file that is gone does not keep the others from being used"
        );
    }
}
