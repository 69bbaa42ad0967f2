//! Who may call a service's gRPC methods.
//!
//! The gRPC services of the shop are for the shop: a method that charges cards or takes stock must not be reachable by
//! whoever can reach the edge. The host tells every call's origin in `hostel-caller`, which clients and modules cannot
//! forge; the configuration key `callers` lists the services to let in. (`grants.calls` of the *callers'* manifests
//! says whom they may call; this is the other half.)

use hostel_sdk::CallInfo;
use tonic::{Request, Status};

use crate::settings::Settings;

/// Lets the services listed in `callers` pass: names with commas between them.
///
/// # Errors
/// `PERMISSION_DENIED` for anybody else.
pub fn check<T>(request: &Request<T>, settings: &Settings) -> Result<(), Status> {
    let call = CallInfo::from_headers(request.metadata().as_ref());
    let allowed = settings.get("callers").unwrap_or_default();
    let mut allowed = allowed.split(',').map(str::trim).filter(|name| !name.is_empty());
    if call.caller().is_some_and(|caller| allowed.any(|name| name == caller)) {
        Ok(())
    } else {
        Err(Status::permission_denied("not for this caller"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(callers: &str, caller: Option<&'static str>) -> bool {
        let mut request = Request::new(());
        if let Some(caller) = caller {
            request.metadata_mut().insert("hostel-caller", caller.parse().unwrap());
        }
        check(&request, &Settings::fixed([("callers", callers)])).is_ok()
    }

    #[test]
    fn only_the_listed_pass() {
        assert!(passes("orders", Some("orders")));
        assert!(passes("catalog, orders", Some("orders")));
        assert!(!passes("orders", Some("edge")));
        assert!(!passes("orders", Some("order")));
        assert!(!passes("orders", None));
        assert!(!passes("", Some("")));
        assert!(!passes("", None));
    }
}
