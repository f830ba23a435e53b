//! The OpenAPI 3.1 document, gathered from the handlers.
//!
//! Committed as `docs/openapi.json` and compared in a test. Deliberately absent: a viewer; the document is for tools.

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi as Document};
use utoipa::{Modify, OpenApi};

use super::views;
use super::{
    alerts, deliveries, devices, handling, health, live, map, replay, reporting, roster, session,
    tracks, wearers, zones,
};

/// All that is documented.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Bailiwick",
        description = "Electronic-monitoring alert engine: the alert queue, people, definitions. Payloads are described in docs/WIRE.md.",
    ),
    paths(
        health::alive,
        health::ready,
        health::health,
        health::metrics,
        session::log_in,
        session::session,
        session::log_out,
        alerts::list,
        alerts::one,
        deliveries::list,
        deliveries::send_again,
        handling::claim,
        handling::release,
        handling::acknowledge,
        handling::note,
        handling::close,
        live::stream,
        wearers::list,
        wearers::one,
        tracks::track,
        devices::list,
        devices::unreadable,
        reporting::own_tracks,
        reporting::traccar,
        zones::list,
        zones::replace,
        zones::put,
        zones::remove,
        roster::read,
        roster::replace,
        roster::parameters,
        roster::replace_parameters,
        roster::check_in,
        map::layers,
        map::layer,
        replay::state,
        replay::set,
    ),
    components(schemas(views::ResetView)),
    modifiers(&Doors, &Names),
    security(("token" = []), ("session" = [])),
    tags(
        (name = "session", description = "Who asks"),
        (name = "alerts", description = "The queue"),
        (name = "people", description = "Wearers, their devices and tracks, check-ins"),
        (name = "reports", description = "Reports of phones and Traccar servers, with a login of the MQTT endpoint"),
        (name = "definitions", description = "Zones, roster and parameters"),
        (name = "map", description = "The base map"),
        (name = "replay", description = "The player of a recorded feed"),
        (name = "health", description = "How the service is"),
    ),
)]
struct Described;

/// The ways in.
struct Doors;

impl Modify for Doors {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_with(Components::new);
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic).build();
        components.add_security_scheme("login", SecurityScheme::Http(basic));
        let cookie = ApiKey::Cookie(ApiKeyValue::new("bailiwick"));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
}

/// A name for each operation: its method and path, because names of handlers are unique in their module only.
struct Names;

impl Modify for Names {
    fn modify(&self, document: &mut Document) {
        for (path, item) in &mut document.paths.paths {
            let path = path.replace("/api/v1", "").replace(['{', '}'], "");
            let words = path.trim_matches('/').replace(['/', '.'], "_");
            let operations = [
                ("get", &mut item.get),
                ("post", &mut item.post),
                ("put", &mut item.put),
                ("delete", &mut item.delete),
            ];
            for (method, operation) in operations {
                if let Some(operation) = operation {
                    operation.operation_id = Some(format!("{method}_{words}"));
                }
            }
        }
    }
}

/// The document as text.
pub(super) fn document() -> String {
    let mut text = Described::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::web::routes;

    /// Addresses that browsers ask for and tools don't, and the document itself.
    const UNDESCRIBED: [&str; 5] = [
        "/",
        "/assets/{*path}",
        "/openapi.json",
        "/a/{token}",
        "/a/{token}/acknowledge",
    ];

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys();
                methods.map(move |method| (path.clone(), method.to_uppercase()))
            })
            .collect();
        let served: BTreeSet<(String, String)> = routes()
            .into_iter()
            .filter(|route| !UNDESCRIBED.contains(&route.path))
            .map(|route| (route.path.to_owned(), route.method.to_string()))
            .collect();
        assert_eq!(described, served);
        let text = document.to_string();
        let mut names: Vec<&str> = text
            .split("\"operationId\":\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!((names.len(), count), (described.len(), described.len()));
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "BLESS=1 rewrites golden files; it is a switch of tests, not of the product"
    )]
    fn the_committed_document_is_what_the_handlers_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
        if std::env::var("BLESS").is_ok_and(|bless| bless == "1") {
            std::fs::write(path, document()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == document(),
            "docs/openapi.json differs from the handlers; run this test with BLESS=1 and review the difference"
        );
        assert!(written.contains("\"openapi\": \"3.1.0\""));
    }
}
