//! Answers as HTTP has them.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use relvs_api::{Code, Failure};
use serde::Serialize;

/// A failure as an answer.
pub(super) struct Refused(Failure);

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Refused(failure)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.0)).into_response()
    }
}

/// What a handler gives.
pub(super) type Answer = Result<Response, Refused>;

/// Why no question is answered any more.
pub(super) fn ending() -> Failure {
    Failure::new(Code::Busy, "the director is ending")
}

/// A failure of the director's own.
pub(super) fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Failed, error)
}

/// JSON, written beside the loop: it may be long.
pub(super) async fn json<T: Serialize + Send + 'static>(value: T) -> Answer {
    let written = tokio::task::spawn_blocking(move || serde_json::to_vec(&value)).await;
    let body = written.map_err(failed)?.map_err(failed)?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

/// The same, with the revision that it is of.
pub(super) async fn json_at<T: Serialize + Send + 'static>(revision: u64, value: T) -> Answer {
    let tag = HeaderValue::from_str(&format!("\"{revision}\"")).map_err(failed)?;
    let mut response = json(value).await?;
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}
