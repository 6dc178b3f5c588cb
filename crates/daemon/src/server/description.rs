//! The control socket described by OpenAPI, from the types and handlers themselves. It is committed as docs/openapi.json.

use super::{change, checks, explain, flows, health, scrape, services, show, trace, vrrp};
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "relvs",
        version = "1",
        description = "The control API of a relvs director: HTTP/1.1 and JSON over the unix socket `control.sock` of \
            its run directory, and where its configuration says so over TCP, with a token or a client certificate.",
        license(name = "MIT OR Apache-2.0"),
    ),
    paths(
        show::status,
        show::reload,
        show::configuration,
        show::differences,
        change::replace,
        change::edit,
        change::zero,
        checks::all,
        checks::drain,
        vrrp::status,
        vrrp::command,
        services::all,
        services::one,
        services::delete,
        explain::explain,
        trace::trace,
        flows::flows,
        scrape::metrics,
        health::healthz,
        health::readyz,
    )
)]
struct Description;

/// The document.
pub(crate) fn text() -> Result<String, serde_json::Error> {
    Ok(unsigned(&Description::openapi().to_pretty_json()?))
}

/// The document with the whole range of numbers that have no sign: OpenAPI's formats are those with one, and utoipa names
/// them all the same.
fn unsigned(document: &str) -> String {
    let lines: Vec<&str> = document.lines().collect();
    let mut out = String::with_capacity(document.len() + document.len() / 8);
    for (at, line) in lines.iter().enumerate() {
        // What it means, and what it is otherwise, may stand between.
        let mut next = lines.iter().skip(at + 1).map(|line| line.trim_start());
        let after = next.find(|line| !["\"description\"", "\"default\""].iter().any(|key| line.starts_with(key)));
        let unsigned = after.is_some_and(|line| line.trim_end_matches(',') == "\"minimum\": 0");
        let indent = &line[..line.len() - line.trim_start().len()];
        match line.trim_start() {
            "\"format\": \"int32\"," if unsigned => {
                out.push_str(&format!("{indent}\"format\": \"int64\",\n{indent}\"maximum\": {},", u32::MAX));
            }
            "\"format\": \"int64\"," if unsigned => out.push_str(&format!("{indent}\"maximum\": {},", u64::MAX)),
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

pub(super) async fn description() -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (kind, text().unwrap_or_default()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    #[test]
    fn the_committed_document_is_what_the_types_give() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        let text = text().unwrap();
        if std::env::var_os("RELVS_REGENERATE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "docs/openapi.json is not up to date: run this test with RELVS_REGENERATE=1");
    }

    #[test]
    fn every_path_is_described_and_every_reference_leads_somewhere() {
        let document: serde_json::Value = serde_json::from_str(&text().unwrap()).unwrap();
        let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
        let expected = [
            "changes",
            "checks",
            "configuration",
            "differences",
            "drains",
            "explain",
            "flows",
            "reload",
            "services",
            "services/{key}",
            "status",
            "trace",
            "vrrp",
            "vrrp/commands",
            "zero",
        ];
        let others = ["/healthz", "/metrics", "/readyz"].map(str::to_owned);
        let expected = others.into_iter().chain(expected.map(|path| format!("/v1/{path}")));
        assert_eq!(paths, expected.collect::<Vec<_>>().iter().collect::<Vec<_>>());
        // A service is configured, and it does something: two types, and neither may be described as the other.
        let has = |schema: &str, field: &str| {
            document["components"]["schemas"][schema].to_string().contains(&format!("\"{field}\":"))
        };
        for (plain, shown, field) in [("Service", "ServiceStatus", "counters"), ("Server", "ServerStatus", "active")] {
            assert!(!has(plain, field) && has(shown, field), "{plain}");
        }
        let whole = document.to_string();
        let mut references = 0;
        for reference in whole.split("\"#/").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(document.pointer(&format!("/{reference}")).is_some(), "{reference}");
            references += 1;
        }
        assert!(references > 50, "{references}");
    }
}
