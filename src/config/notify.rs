//! The tables about notification: receivers, links, ladder.
//!
//! Secrets come from files of their own, because they are needed as they are and not as digests. Deliberately absent:
//! defaults (see `notify::settings`), and addresses of people, which stand in the roster.

use std::path::Path;

use super::entries::{count, flag, name, path, put, span, word};
use super::reading;
use crate::desk::escalation::Waits;
use crate::model::id::AgencyId;
use crate::model::time::Span;
use crate::notify::settings::{Detail, Ladder, Links, Secret, Settings};
use crate::notify::{self, email, push, webhook};
use crate::wire::document::{Node, Table};
use crate::wire::link::LinkKey;

/// Longest secret in a file; a longer file is another file.
const SECRET_LENGTH_MAX: usize = 1024;

/// How much a message may say.
const DETAILS: [(&str, Detail); 2] = [("least", Detail::Least), ("full", Detail::Full)];

/// Reads the table.
pub(super) fn read(mut table: Table<'_>, folder: &Path, settings: &mut Settings) {
    let page = table.read("page", |node| page(node.text()?));
    let key = table.read("link_secret_file", |node| {
        LinkKey::new(secret(node, folder)?.as_bytes())
    });
    if key.is_some() && page.is_none() {
        table.problem("page", "is missing; expected where the page is, for links");
    }
    settings.links = page.map(|page| Links { page, key });
    if let Some(table) = table.table("email") {
        settings.email = email(table, folder);
    }
    if let Some(table) = table.table("push") {
        settings.push = push(table, folder);
    }
    for table in table.tables("webhook") {
        settings.webhooks.extend(webhook(table, folder));
    }
    let mut names: Vec<&str> = settings
        .webhooks
        .iter()
        .map(|hook| hook.name.as_str())
        .collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        table.problem("webhook", "has a name twice; expected names that differ");
    }
    if let Some(table) = table.table("ladder") {
        ladder(table, &mut settings.ladder);
    }
    table.finish();
}

fn page(text: &str) -> Result<String, String> {
    notify::address(text).map(|_url| text.trim_end_matches('/').to_owned())
}

/// What a file holds, without its last line's end.
fn secret(node: &Node, folder: &Path) -> Result<String, String> {
    let path = path(node, folder)?;
    let text = reading::text(&path).map_err(|error| error.to_string())?;
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() || secret.len() > SECRET_LENGTH_MAX || secret.contains('\n') {
        return Err(format!(
            "{} is empty, long or has several lines; expected one secret",
            path.display()
        ));
    }
    Ok(secret.to_owned())
}

fn email(mut table: Table<'_>, folder: &Path) -> Option<email::Settings> {
    use email::Security;
    let securities = [
        ("tls", Security::Tls),
        ("starttls", Security::StartTls),
        ("none", Security::None),
    ];
    let host = name(&mut table, "host", "the mail server's name");
    let security = table.read("security", |node| word(node, &securities));
    let security = security.unwrap_or(Security::StartTls);
    let usual = match security {
        Security::Tls => 465,
        Security::StartTls => 587,
        Security::None => 25,
    };
    let port = count(&mut table, "port", &(1..=65_535));
    let from = table.need("from", "who writes", |node| {
        let text = node.text()?;
        text.parse().map_err(|_error| {
            "is no address; expected one such as Bailiwick <alerts@example.org>".to_owned()
        })
    });
    let user = table.read("username", |node| node.text().map(str::to_owned));
    let password = table.read("password_file", |node| secret(node, folder));
    if user.is_some() != password.is_some() {
        table.problem(
            "username",
            "and password_file belong together; expected both or neither",
        );
    }
    let (trusted, detail) = common(&mut table, folder);
    let settings = email::Settings {
        host: host.unwrap_or_default(),
        port: port
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(usual),
        security,
        from: from?,
        login: user.zip(password.map(Secret::new)),
        trusted,
        detail,
        patience: email::PATIENCE,
    };
    if let Err(problem) = settings.check() {
        table.problem("security", problem);
    }
    table.finish();
    Some(settings)
}

fn push(mut table: Table<'_>, folder: &Path) -> Option<push::Settings> {
    let server = table.need("server", "a server that speaks ntfy's protocol", |node| {
        notify::address(node.text()?)
    });
    let token = table.read("token_file", |node| secret(node, folder));
    let (trusted, detail) = common(&mut table, folder);
    table.finish();
    Some(push::Settings {
        server: server?,
        token: token.map(Secret::new),
        trusted,
        detail,
        patience: push::PATIENCE,
    })
}

fn webhook(mut table: Table<'_>, folder: &Path) -> Option<webhook::Settings> {
    let name = table.need("name", "a name of its own", |node| {
        let text = node.text()?;
        let fit = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if text.is_empty() || text.len() > 32 || !text.chars().all(fit) {
            return Err("is no name; expected 1 to 32 of A-Z a-z 0-9 _ -".to_owned());
        }
        Ok(text.to_owned())
    });
    if let Some(name) = &name {
        table.name(format!("notify.webhook {name}"));
    }
    let agency = table.need("agency", "an agency", |node| node.id(AgencyId::parse));
    let url = table.need("url", "where the program listens", |node| {
        notify::address(node.text()?)
    });
    let secrets = table.need(
        "secret_files",
        "one file, or two while secrets are exchanged",
        |node| {
            let files = node.list()?;
            if !(1..=2).contains(&files.len()) {
                return Err(format!("has {} files; expected one or two", files.len()));
            }
            let signers = files
                .iter()
                .map(|node| webhook::Signer::parse(&secret(node, folder)?));
            signers.collect::<Result<Vec<_>, String>>()
        },
    );
    let (trusted, detail) = common(&mut table, folder);
    table.finish();
    Some(webhook::Settings {
        name: name?,
        agency: agency?,
        url: url?,
        secrets: secrets?,
        trusted,
        detail,
        patience: webhook::PATIENCE,
    })
}

/// What all receivers have.
fn common(table: &mut Table<'_>, folder: &Path) -> (notify::settings::Trusted, Detail) {
    let trusted = table.read("trusted", |node| path(node, folder));
    let detail = table.read("detail", |node| word(node, &DETAILS));
    (trusted, detail.unwrap_or_default())
}

fn ladder(mut table: Table<'_>, ladder: &mut Option<Ladder>) {
    let enabled = flag(&mut table, "enabled").unwrap_or(true);
    let mut read = ladder.unwrap_or_default();
    for (severity, waits) in [
        ("critical", &mut read.critical),
        ("high", &mut read.high),
        ("medium", &mut read.medium),
    ] {
        if let Some(mut table) = table.table(severity) {
            let range = Span::seconds(10)..=Span::days(1);
            let Waits { second, desk } = waits;
            put(span(&mut table, "second", &range), second);
            put(span(&mut table, "desk", &range), desk);
            table.finish();
        }
    }
    put(flag(&mut table, "simulated"), &mut read.simulated);
    table.finish();
    *ladder = enabled.then_some(read);
}
