//! What is on the shelves.

use hostel_sdk::tonic::Status;

use crate::pb::library::v1::{Author, Book, Genre, Shelf, book::Price};

/// Shelves and books with this id are not there.
const MISSING: &str = "missing";

/// A shelf, `shelves/ID`.
pub(crate) fn shelf(name: &str) -> Result<Shelf, Status> {
    let id = id(name)?;
    Ok(Shelf { name: name.to_owned(), theme: format!("theme {id}") })
}

/// A book, whose name may be anything that ends in `/ID`.
pub(crate) fn book(name: &str) -> Result<Book, Status> {
    let id = id(name)?;
    let pages = i64::try_from(name.len()).unwrap_or(i64::MAX);
    Ok(Book {
        name: name.to_owned(),
        title: format!("book {id}"),
        author: Some(Author { given_name: "Ada".into(), family_name: "Byron".into(), teacher: None }),
        genre: Genre::Novel.into(),
        pages,
        price: Some(Price::Cents(995)),
        ..Default::default()
    })
}

fn id(name: &str) -> Result<&str, Status> {
    match name.rsplit('/').next() {
        None | Some("") => Err(Status::invalid_argument(format!("`{name}` names nothing"))),
        Some(MISSING) => Err(Status::not_found(format!("there is no `{name}`"))),
        Some(id) => Ok(id),
    }
}
