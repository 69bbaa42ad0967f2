//! What other services see of `users`: `shop.users.v1.Users`.

use axum::Router;
use shop_common::settings::Settings;
use shop_common::{caller, clock};
use tonic::{Request, Response, Status};

use crate::directory::Directory;
use crate::pb::users_server::{Users, UsersServer};
use crate::pb::{VerifyTokenRequest, VerifyTokenResponse};

struct Service {
    directory: Directory,
    settings: Settings,
}

/// Adds the gRPC service to `routes`.
pub(crate) fn add_to(routes: Router, directory: Directory, settings: Settings) -> Router {
    let server = UsersServer::new(Service { directory, settings });
    routes.route_service("/shop.users.v1.Users/{method}", server)
}

#[tonic::async_trait]
impl Users for Service {
    async fn verify_token(
        &self,
        request: Request<VerifyTokenRequest>,
    ) -> Result<Response<VerifyTokenResponse>, Status> {
        caller::check(&request, &self.settings)?;
        let token = request.into_inner().token;
        let session = self.directory.session(&token, clock::now_ms())?;
        let session = session.ok_or_else(|| Status::unauthenticated("no such session"))?;
        Ok(Response::new(VerifyTokenResponse {
            user_id: session.user_id,
            expires_at_ms: i64::try_from(session.expires_ms).unwrap_or(i64::MAX),
        }))
    }
}
