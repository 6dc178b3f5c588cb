//! What requests say: bodies, queries and conditions. Whatever is not understood is refused, and named.

use super::answer::{Refused, failed};
use crate::director::Guard;
use axum::{
    body::{Body, to_bytes},
    extract::{Query, rejection::QueryRejection},
    http::{HeaderMap, header},
};
use relvs_api::{Code, Failure, LARGEST_REQUEST};
use relvs_model::ServiceKey;
use serde::{Deserialize, de::DeserializeOwned};
use std::time::Duration;
use tokio::time::timeout;

/// How long a body may take to come.
const BODY: Duration = Duration::from_secs(30);

/// How a change is to be made.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    #[serde(default)]
    pub(super) dry_run: bool,
}

/// A query, or why it cannot be read.
pub(super) type Asked<T> = Result<Query<T>, QueryRejection>;

/// What a query says.
pub(super) fn query<T>(asked: Asked<T>) -> Result<T, Failure> {
    match asked {
        Ok(Query(query)) => Ok(query),
        Err(rejection) => Err(malformed(rejection.body_text())),
    }
}

/// The conditions of a change: `If-Match` and what the body says.
pub(super) fn guard(options: &Options, headers: &HeaderMap, in_body: Option<u64>) -> Result<Guard, Failure> {
    let mut revisions: Vec<u64> = in_body.into_iter().collect();
    for value in headers.get_all(header::IF_MATCH) {
        let text = value.to_str().unwrap_or_default().trim();
        let number = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        match number.parse() {
            Ok(revision) => revisions.push(revision),
            Err(_) if text == "*" => {}
            Err(_) => return Err(malformed("If-Match is not a revision: write it as it was given, as in \"7\"")),
        }
    }
    Ok(Guard { dry_run: options.dry_run, revisions })
}

/// A service's key of a path or a query.
pub(super) fn key(text: &str) -> Result<ServiceKey, Failure> {
    text.parse().map_err(malformed)
}

/// A body of JSON, read beside the loop: it may be long.
pub(super) async fn body<T: DeserializeOwned + Send + 'static>(body: Body) -> Result<T, Refused> {
    let Ok(read) = timeout(BODY, to_bytes(body, LARGEST_REQUEST)).await else {
        let error = format!("the request did not come within {} s", BODY.as_secs());
        return Err(Failure::new(Code::Slow, error).into());
    };
    let bytes = read.map_err(|error| match too_large(&error) {
        true => {
            let most = LARGEST_REQUEST >> 20;
            Failure::new(Code::TooLarge, format!("the request is larger than {most} MiB, the largest that is read"))
        }
        false => malformed(error),
    })?;
    let parsed = tokio::task::spawn_blocking(move || parse(&bytes)).await;
    Ok(parsed.map_err(failed)??)
}

fn too_large(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
}

/// What the text says. A name that means nothing here is an error: it was meant to mean something.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let mut unknown = Vec::new();
    // What stands for a change's verb and for what may be missing is not said.
    let mut ignored = |path: serde_ignored::Path<'_>| unknown.push(path.to_string().replace(".?", ""));
    let mut track = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = {
        let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
        T::deserialize(serde_ignored::Deserializer::new(tracked, &mut ignored))
    };
    let path = track.path();
    let value =
        value.and_then(|value| json.end().map(|()| value)).map_err(|error| match path.to_string().as_str() {
            "." => malformed(error),
            path => malformed(format_args!("{path}: {error}")),
        })?;
    if unknown.is_empty() {
        return Ok(value);
    }
    let errors = unknown.into_iter().take(20).map(|path| format!("{path}: there is nothing of this name")).collect();
    Err(Failure { errors, ..Failure::new(Code::Malformed, "") })
}

pub(super) fn malformed(error: impl std::fmt::Display) -> Failure {
    Failure::new(Code::Malformed, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use relvs_api::{Changes, Configuration};

    fn said<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
        parse::<T>(text.as_bytes()).unwrap_err().errors.join("|")
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let service = |more: &str| {
            format!(
                r#"{{"services": [{{"key": {{"mark": 1}}, "scheduler": "rr", "servers": [
                {{"address": "10.0.0.1", "port": 80, "weight": 1, "method": "dr"{more}}}]}}]}}"#
            )
        };
        assert!(parse::<Configuration>(service("").as_bytes()).is_ok());
        let name = said::<Configuration>(&service(r#", "wieght": 2"#));
        assert_eq!(name, "services.0.servers.0.wieght: there is nothing of this name");
        let value = said::<Configuration>(&service("").replace("\"rr\"", "\"round\""));
        assert!(value.starts_with("services[0].scheduler: unknown variant `round`"), "{value}");
        assert!(said::<Configuration>("").starts_with("EOF while parsing"));
        assert!(said::<Configuration>(&(service("") + "x")).contains("trailing characters"));
        let verb = said::<Changes>(r#"{"changes": [{"add_servce": {}}]}"#);
        assert!(verb.starts_with("changes[0]") && verb.contains("`add_servce`"), "{verb}");
        for text in [&service("").replace("rr", "x\ny"), "[1,", "{\"services\": 7}"] {
            assert_eq!(said::<Configuration>(text).lines().count(), 1, "{text}");
        }
    }

    #[test]
    fn conditions_are_revisions() {
        let of = |text: &'static str| {
            let headers = HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_static(text))]);
            guard(&Options::default(), &headers, Some(4)).map(|guard| guard.revisions)
        };
        assert_eq!(of("\"7\""), Ok(vec![4, 7]));
        assert_eq!(of("7"), Ok(vec![4, 7]));
        assert_eq!(of("*"), Ok(vec![4]));
        for text in ["", "\"x\"", "W/\"7\"", "7,8", "-1"] {
            assert_eq!(of(text).unwrap_err().code, Code::Malformed, "{text}");
        }
    }
}
