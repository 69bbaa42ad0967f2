//! What a node has to know before it takes requests: what the others serve, and their routes. Until then it would answer
//! 404 to what any of them could answer, and a balancer that finds it ready would send it a share of everything.

use std::time::Duration;

use crate::cluster::{Handle, Settings};
use crate::modules::Deployments;

/// How often it is looked whether all is known.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Whether a node was told of others. A file that cannot be read says nothing; who reads it to ask them complains.
pub(super) fn has_seeds(settings: &Settings) -> bool {
    let seed = |line: &str| !line.trim().is_empty() && !line.trim().starts_with('#');
    let in_file = || std::fs::read_to_string(&settings.seeds_file).is_ok_and(|text| text.lines().any(seed));
    !settings.seeds.is_empty() || in_file()
}

/// Returns when this node knows what the others serve.
pub(super) async fn learn(node: &Handle, deployments: &Deployments) {
    // A node that has left will learn nothing more.
    while let Ok(status) = node.status().await {
        if status.acquainted && knows_all_routes(node, deployments) {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn knows_all_routes(node: &Handle, deployments: &Deployments) -> bool {
    let table = deployments.table();
    let catalogue = node.reader().snapshot();
    catalogue.services().all(|(service, _)| table.get(service).is_some() || table.remote(service).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_in_the_list_or_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("seeds");
        let mut settings = Settings { seeds_file: file.clone(), ..Settings::default() };
        assert!(!has_seeds(&settings), "there is no file");
        std::fs::write(&file, "\n # 10.0.0.1:7946\n").unwrap();
        assert!(!has_seeds(&settings), "there is none in it");
        std::fs::write(&file, "# one\n10.0.0.1:7946\n").unwrap();
        assert!(has_seeds(&settings));
        std::fs::remove_file(file).unwrap();
        settings.seeds.push("10.0.0.1:7946".to_owned());
        assert!(has_seeds(&settings));
    }
}
