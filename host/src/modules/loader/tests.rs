use super::super::fixture::{platform, write_module};
use super::*;
use crate::call::ServiceName;

/// The services that serve once everything in a folder of `orders`, `users` and `carts` has been loaded.
async fn loaded(only: &[&str]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    for name in ["orders", "users", "carts"] {
        write_module(dir.path(), name, "");
    }
    let only = only.iter().map(ToString::to_string).collect();
    let settings = Settings { dir: dir.path().to_owned(), only, ..Settings::default() };
    let (deployments, status) = (Deployments::default(), Status::default());
    let loader = Loader::new(&settings, platform(), deployments.clone(), status.clone());
    let mut loaded = loader.loaded();
    let running = tokio::spawn(loader.run());
    loaded.wait_for(|loaded| *loaded).await.unwrap();
    running.abort();
    let table = deployments.table_full();
    assert_eq!(table.iter().count(), status.snapshot().len(), "what is not selected is not told of either");
    let services: Vec<ServiceName> = table.iter().map(|deployed| deployed.service().clone()).collect();
    for deployed in table.iter() {
        deployed.pool().kill();
    }
    services.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_selected_is_loaded() {
    assert_eq!(loaded(&[]).await, ["carts", "orders", "users"]);
    assert_eq!(loaded(&["orders", "users", "nowhere"]).await, ["orders", "users"]);
    assert_eq!(loaded(&["nowhere"]).await, [""; 0]);
}
