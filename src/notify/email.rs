//! Alerts to officers by mail.
//!
//! Over TLS, always, unless the server is this very computer. The Message-ID is made of the notification's key, so that a
//! mail that comes twice is known for one. Subject and text are words of ours; an address that is none is refused, so that
//! nothing can be put into the headers. Deliberately absent: retries, and reading answers beyond their code.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use tokio::time::timeout;

use super::schedule::Schedule;
use super::settings::{Detail, Secret, Trusted};
use super::{NotifyError, Outgoing, Receiver, Sent, message};
use crate::model::roster::contact;
use crate::tls;

/// Longest wait for the server to take a mail.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How the connection to the server is made safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte, usually port 465.
    Tls,
    /// A plain beginning, then TLS or nothing, usually port 587.
    StartTls,
    /// None: legal on this computer only.
    None,
}

/// The mail server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name, which its certificate must have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is made safe.
    pub security: Security,
    /// Who writes.
    pub from: Mailbox,
    /// Who we are to the server, where it asks.
    pub login: Option<(String, Secret)>,
    /// Whom to trust.
    pub trusted: Trusted,
    /// How much a mail says.
    pub detail: Detail,
    /// How long the server is waited for.
    pub patience: Duration,
}

impl Settings {
    /// Whether they can be run.
    ///
    /// # Errors
    /// What would be right.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.security == Security::None && !tls::is_loopback(&self.host) {
            return Err("is none, which is legal for this computer only; expected tls or starttls");
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct Email {
    settings: Settings,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Email {
    pub(super) fn new(settings: Settings) -> Result<Self, NotifyError> {
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port)
            .timeout(Some(settings.patience));
        builder = builder.tls(match settings.security {
            Security::Tls => Tls::Wrapper(parameters(&settings.host, &settings.trusted)?),
            Security::StartTls => Tls::Required(parameters(&settings.host, &settings.trusted)?),
            Security::None => Tls::None,
        });
        if let Some((user, secret)) = &settings.login {
            let credentials = Credentials::new(user.clone(), secret.expose().to_owned());
            builder = builder.credentials(credentials);
        }
        Ok(Self {
            transport: builder.build(),
            settings,
        })
    }

    /// The mail, or why there can't be one.
    fn mail(&self, outgoing: &Outgoing) -> Result<Mail, &'static str> {
        let to = outgoing.to.as_deref().and_then(|to| to.parse().ok());
        let to: Mailbox =
            to.ok_or("the roster has no address for this officer, or one that is none")?;
        let message = message::of(
            &outgoing.alert,
            self.settings.detail,
            outgoing.link.clone(),
            None,
        );
        let mut text = message.body;
        if let Some(link) = message.open {
            text.push_str("\n\nOpen the alert and acknowledge it there:\n");
            text.push_str(&link);
        }
        text.push_str("\n\nWhoever does not acknowledge is followed by the next in line.\n");
        let now = u64::try_from(outgoing.now.as_millis()).unwrap_or_default();
        let domain = self.settings.from.email.domain();
        Mail::builder()
            .from(self.settings.from.clone())
            .to(to)
            .subject(message.title)
            .date(UNIX_EPOCH + Duration::from_millis(now))
            .message_id(Some(format!(
                "<{}@{domain}>",
                outgoing.key.replace('/', ".")
            )))
            .header(AutoSubmitted)
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(|_error| "the mail could not be made")
    }
}

fn parameters(host: &str, trusted: &Trusted) -> Result<TlsParameters, NotifyError> {
    tls::install_provider();
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = trusted {
        builder = builder.certificate_store(CertificateStore::None);
        for certificate in roots(path)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build_rustls().map_err(NotifyError::Mail)
}

fn roots(path: &Path) -> Result<Vec<Certificate>, NotifyError> {
    tls::certificates(path)?
        .into_iter()
        .map(|der| Certificate::from_der(der.to_vec()).map_err(NotifyError::Mail))
        .collect()
}

/// Says that no person wrote it, so that no absence note answers.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[async_trait::async_trait]
impl Receiver for Email {
    fn channel(&self) -> &str {
        contact::EMAIL
    }

    fn schedule(&self) -> Schedule {
        Schedule::People
    }

    async fn send(&self, outgoing: &Outgoing) -> Sent {
        let mail = match self.mail(outgoing) {
            Ok(mail) => mail,
            Err(reason) => return Sent::lasting(reason),
        };
        match timeout(self.settings.patience, self.transport.send(mail)).await {
            Err(_) => Sent::TimedOut,
            Ok(Ok(_)) => Sent::Accepted,
            Ok(Err(error)) => trouble(&error),
        }
    }
}

/// What an error means. Its own words may repeat an address: only the code is told.
fn trouble(error: &lettre::transport::smtp::Error) -> Sent {
    let code = error.status().map(|code| format!("SMTP {code}"));
    match code {
        Some(code) if error.is_permanent() => Sent::lasting(code),
        Some(code) => Sent::passing(code),
        None if error.is_timeout() => Sent::TimedOut,
        None if error.is_tls() => Sent::passing("no TLS that can be trusted"),
        None => Sent::passing("no connection"),
    }
}
