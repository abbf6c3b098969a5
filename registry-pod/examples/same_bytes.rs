//! The least that answers what the registry answers: `same_bytes FOLDER PORT` serves each file of the folder as JSON from memory,
//! with an axum handler and nothing around it. What the registry is measured against.

use std::error::Error;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use bytes::Bytes;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(port)) = (arguments.next(), arguments.next()) else {
        return Err("usage: same_bytes FOLDER PORT".into());
    };
    let mut router = Router::new();
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        let body = Bytes::from(std::fs::read(file.path())?);
        let path = format!("/{}", file.file_name().to_string_lossy());
        router = router
            .route(&path, get(async move || ([(CONTENT_TYPE, "application/json")], body.clone())));
    }
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    Ok(axum::serve(listener, router).await?)
}
