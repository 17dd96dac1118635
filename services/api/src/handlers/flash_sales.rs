//! FlashSalesService: the situations that planners watch.

use baton_domain::{error::Error, ids::FlashSaleId, sale::FlashSale, services::Services};
use baton_proto::v1::{self as pb, flash_sales_service_server::FlashSalesService};
use tonic::Request;

use super::{Answer, handle};
use crate::convert::{fields::read, page::Paging, sale};

pub(crate) struct FlashSales {
    services: Services,
}

impl FlashSales {
    pub(crate) fn new(services: Services) -> Self {
        Self { services }
    }

    /// A sale's state depends on the time, and that is the store's.
    async fn show(&self, sale: &FlashSale) -> Result<pb::FlashSale, Error> {
        Ok(sale::to_proto(sale, self.services.now().await?))
    }
}

#[tonic::async_trait]
impl FlashSalesService for FlashSales {
    async fn create_flash_sale(&self, request: Request<pb::CreateFlashSaleRequest>) -> Answer<pb::FlashSale> {
        handle(request, |user, request| async move {
            let (draft, idempotency) = sale::read_create(request);
            let created = self.services.create_sale(&user, draft, &idempotency).await?;
            self.show(&created).await
        })
        .await
    }

    async fn get_flash_sale(&self, request: Request<pb::GetFlashSaleRequest>) -> Answer<pb::FlashSale> {
        handle(request, |user, request| async move {
            let id = read(|fields| fields.id("id", &request.id, FlashSaleId))?;
            self.show(&self.services.get_sale(&user, id).await?).await
        })
        .await
    }

    async fn list_flash_sales(
        &self,
        request: Request<pb::ListFlashSalesRequest>,
    ) -> Answer<pb::ListFlashSalesResponse> {
        handle(request, |user, request| async move {
            let paging = read(|fields| Paging::read(fields, &request))?;
            let listing = self.services.list_sales(&user, paging.page).await?;
            let now = self.services.now().await?;
            let (flash_sales, next_page_token) =
                paging.fill(&listing, |sale| sale.id.0, |sale| sale::to_proto(sale, now));
            Ok(pb::ListFlashSalesResponse {
                flash_sales,
                next_page_token,
            })
        })
        .await
    }

    async fn update_flash_sale(&self, request: Request<pb::UpdateFlashSaleRequest>) -> Answer<pb::FlashSale> {
        handle(request, |user, request| async move {
            let mut update = sale::read_update(request)?;
            let (id, etag) = (update.id, update.etag.take());
            let written = self
                .services
                .update_sale(&user, id, etag.as_deref(), |draft| update.write(draft));
            self.show(&written.await?).await
        })
        .await
    }

    async fn end_flash_sale(&self, request: Request<pb::EndFlashSaleRequest>) -> Answer<pb::FlashSale> {
        handle(request, |user, request| async move {
            let id = read(|fields| fields.id("id", &request.id, FlashSaleId))?;
            self.show(&self.services.end_sale(&user, id).await?).await
        })
        .await
    }
}
