//! The methods.

use std::{pin::Pin, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use hostel_sdk::{CallInfo, tonic};
use tonic::{Request, Response, Status, Streaming};

use crate::pb::google::api::HttpBody;
use crate::pb::library::v1::*;
use crate::{books, failures, metadata};

/// No response is larger: a test that asks for more has a mistake in it.
const INFLATED_BYTES_MAX: u32 = 16 << 20;

pub(crate) struct Library;

type Answer<T> = Result<Response<T>, Status>;
type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl library_server::Library for Library {
    async fn get_shelf(&self, request: Request<GetShelfRequest>) -> Answer<Shelf> {
        Ok(Response::new(books::shelf(&request.get_ref().name)?))
    }

    async fn list_shelves(&self, request: Request<ListShelvesRequest>) -> Answer<ListShelvesResponse> {
        let shelves = (1..=request.get_ref().page_size.min(1000)).map(|id| books::shelf(&format!("shelves/{id}")));
        let shelves = shelves.collect::<Result<_, _>>()?;
        Ok(Response::new(ListShelvesResponse { shelves, next_page_token: "more".into() }))
    }

    async fn get_book(&self, request: Request<GetBookRequest>) -> Answer<Book> {
        Ok(Response::new(books::book(&request.get_ref().name)?))
    }

    async fn create_book(&self, request: Request<CreateBookRequest>) -> Answer<Book> {
        let CreateBookRequest { parent, book, book_id } = request.into_inner();
        books::shelf(&parent)?;
        let book = book.ok_or_else(|| Status::invalid_argument("there is no book"))?;
        Ok(Response::new(Book { name: format!("{parent}/books/{book_id}"), ..book }))
    }

    async fn update_book(&self, request: Request<UpdateBookRequest>) -> Answer<UpdateBookResponse> {
        let UpdateBookRequest { book, update_mask } = request.into_inner();
        let updated = update_mask.map(|mask| mask.paths).unwrap_or_default();
        Ok(Response::new(UpdateBookResponse { book, updated }))
    }

    async fn delete_book(&self, request: Request<DeleteBookRequest>) -> Answer<()> {
        books::book(&request.get_ref().name)?;
        Ok(Response::new(()))
    }

    async fn move_book(&self, request: Request<MoveBookRequest>) -> Answer<Book> {
        let MoveBookRequest { name, to } = request.into_inner();
        let book = books::book(&name)?;
        let id = name.rsplit('/').next().unwrap_or_default();
        Ok(Response::new(Book { name: format!("{to}/books/{id}"), ..book }))
    }

    async fn search_books(&self, request: Request<SearchBooksRequest>) -> Answer<SearchBooksRequest> {
        Ok(Response::new(request.into_inner()))
    }

    async fn rate_book(&self, request: Request<RateBookRequest>) -> Answer<Book> {
        let RateBookRequest { name, stars } = request.into_inner();
        let book = books::book(&name)?;
        Ok(Response::new(Book { tags: vec![format!("{stars} stars")], ..book }))
    }

    async fn count_books(&self, request: Request<CountBooksRequest>) -> Answer<CountBooksResponse> {
        let name = &request.get_ref().name;
        books::shelf(name)?;
        Ok(Response::new(CountBooksResponse { books: i64::try_from(name.len()).unwrap_or(i64::MAX) }))
    }

    type WatchShelfStream = Messages<Change>;

    async fn watch_shelf(&self, request: Request<WatchShelfRequest>) -> Answer<Messages<Change>> {
        let WatchShelfRequest { name, count, gap_ms, padding, fail_first, fail_last } = request.into_inner();
        if let Some(failure) = fail_first {
            return Err(failures::status(failure));
        }
        books::shelf(&name)?;
        let title = "x".repeat(padding.min(INFLATED_BYTES_MAX) as usize);
        let changes = stream::iter(0..count).then(move |number| {
            let (name, title) = (format!("{name}/books/{number}"), title.clone());
            async move {
                if number > 0 {
                    pause(gap_ms).await;
                }
                Ok(Change { number, book: Some(Book { name, title, ..Default::default() }) })
            }
        });
        let end = fail_last.map(|failure| Err(failures::status(failure)));
        Ok(Response::new(Box::pin(changes.chain(stream::iter(end)))))
    }

    async fn import_books(&self, request: Request<Streaming<Book>>) -> Answer<ImportBooksResponse> {
        let mut books = request.into_inner();
        let mut titles = Vec::new();
        while let Some(book) = books.message().await? {
            titles.push(book.title);
        }
        Ok(Response::new(ImportBooksResponse { count: titles.len() as u32, titles }))
    }

    type ChatStream = Messages<Note>;

    async fn chat(&self, request: Request<Streaming<Note>>) -> Answer<Messages<Note>> {
        let notes = request.into_inner().map(|note| Ok(Note { text: format!("you said {}", note?.text) }));
        Ok(Response::new(Box::pin(notes)))
    }

    async fn download_book(&self, request: Request<DownloadBookRequest>) -> Answer<HttpBody> {
        let book = books::book(&request.get_ref().name)?;
        Ok(Response::new(page(book.title)))
    }

    type DownloadPagesStream = Messages<HttpBody>;

    async fn download_pages(&self, request: Request<DownloadBookRequest>) -> Answer<Messages<HttpBody>> {
        let DownloadBookRequest { name, fail_last } = request.into_inner();
        let title = books::book(&name)?.title;
        let pages = (1..=3).map(move |number| Ok(page(format!("{title}, page {number}\n"))));
        let end = fail_last.then(|| Err(Status::data_loss("the last page is torn")));
        // A moment before each, so that they are not at hand and travel one by one.
        let pages = stream::iter(pages.chain(end)).then(|page| async {
            pause(1).await;
            page
        });
        Ok(Response::new(Box::pin(pages)))
    }

    async fn upload_book(&self, request: Request<UploadBookRequest>) -> Answer<UploadBookResponse> {
        let UploadBookRequest { name, text } = request.into_inner();
        let HttpBody { content_type, data, .. } = text.unwrap_or_default();
        Ok(Response::new(UploadBookResponse { name, content_type, bytes: data.len() as u64 }))
    }

    async fn bind(&self, request: Request<HttpBody>) -> Answer<HttpBody> {
        Ok(Response::new(request.into_inner()))
    }

    async fn fail(&self, request: Request<Failure>) -> Answer<()> {
        Err(failures::status(request.into_inner()))
    }

    async fn echo_metadata(&self, request: Request<EchoMetadataRequest>) -> Answer<EchoMetadataResponse> {
        let mut response = EchoMetadataResponse::default();
        for (name, value) in metadata::pairs(request.metadata()) {
            let came = response.came.entry(name).or_default();
            *came = if came.is_empty() { value } else { format!("{came},{value}") };
        }
        let EchoMetadataRequest { initial, trailing } = request.into_inner();
        let mut response = Response::new(response);
        *response.metadata_mut() = metadata::of(initial)?;
        let trailing = metadata::of(trailing)?.into_headers();
        response.extensions_mut().insert(metadata::Trailing(trailing));
        Ok(response)
    }

    async fn echo_all(&self, request: Request<Everything>) -> Answer<Everything> {
        Ok(Response::new(request.into_inner()))
    }

    async fn inflate(&self, request: Request<InflateRequest>) -> Answer<Book> {
        let bytes = request.get_ref().bytes.min(INFLATED_BYTES_MAX);
        Ok(Response::new(Book { title: "x".repeat(bytes as usize), ..Default::default() }))
    }

    async fn wait(&self, request: Request<WaitRequest>) -> Answer<WaitResponse> {
        let left = request.extensions().get::<CallInfo>().and_then(CallInfo::timeout);
        pause(request.get_ref().delay_ms).await;
        let left_ms = left.map(|left| i64::try_from(left.as_millis()).unwrap_or(i64::MAX));
        Ok(Response::new(WaitResponse { left_ms }))
    }
}

fn page(text: String) -> HttpBody {
    HttpBody { content_type: "text/plain; charset=utf-8".into(), data: text.into_bytes(), ..Default::default() }
}

async fn pause(ms: u32) {
    if ms > 0 {
        hostel_sdk::sleep(Duration::from_millis(ms.into())).await;
    }
}
