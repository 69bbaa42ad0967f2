//! The service `catalog`, over gRPC.

use hostel_sdk::Channel;
use tonic::Status;

use super::{Cart, Catalog, Reserved};
use crate::order::{Line, Wanted};
use crate::pb::catalog as pb;
use crate::pb::catalog::catalog_client::CatalogClient;

#[derive(Clone)]
pub(crate) struct GrpcCatalog(CatalogClient<Channel>);

impl Default for GrpcCatalog {
    fn default() -> Self {
        Self(CatalogClient::new(hostel_sdk::channel("catalog")))
    }
}

#[tonic::async_trait]
impl Catalog for GrpcCatalog {
    async fn cart(&self, user_id: &str) -> Result<Cart, Status> {
        let request = pb::GetCartRequest { user_id: user_id.to_owned() };
        let cart = self.0.clone().get_cart(request).await?.into_inner();
        let lines = cart.lines.into_iter().map(|line| Wanted { product_id: line.product_id, quantity: line.quantity });
        Ok(Cart { lines: lines.collect(), version: cart.version })
    }

    async fn clear_cart(&self, user_id: &str, version: u64) -> Result<(), Status> {
        let request = pb::ClearCartRequest { user_id: user_id.to_owned(), version };
        self.0.clone().clear_cart(request).await?;
        Ok(())
    }

    async fn reserve(&self, order_id: &str, wanted: &[Wanted]) -> Result<Reserved, Status> {
        let lines = wanted.iter().map(|line| pb::Line { product_id: line.product_id.clone(), quantity: line.quantity });
        let request = pb::ReserveStockRequest { order_id: order_id.to_owned(), lines: lines.collect() };
        let reserved = self.0.clone().reserve_stock(request).await?.into_inner();
        let lines = reserved.lines.into_iter().map(|line| Line {
            product_id: line.product_id,
            name: line.name,
            quantity: line.quantity,
            unit_price_cents: line.unit_price_cents,
        });
        Ok(Reserved { lines: lines.collect(), currency: reserved.currency })
    }

    async fn release(&self, order_id: &str) -> Result<(), Status> {
        let request = pb::ReleaseStockRequest { order_id: order_id.to_owned() };
        self.0.clone().release_stock(request).await?;
        Ok(())
    }

    async fn commit(&self, order_id: &str) -> Result<(), Status> {
        let request = pb::CommitStockRequest { order_id: order_id.to_owned() };
        self.0.clone().commit_stock(request).await?;
        Ok(())
    }
}
