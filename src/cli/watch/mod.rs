//! `bailiwick watch`: waits on another computer for the canary's alert, and pages when it does not come.
//!
//! A desk like any other: it needs a login of the canary's agency and nothing else, neither database nor configuration. What it
//! sees is printed as it happens. Deliberately absent: the canary (see `crate::canary`), when to say what (see `vigil`), and
//! whom it is said to (see `tell`).

mod tell;
mod vigil;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;

use self::tell::{Receivers, Told};
use self::vigil::{Vigil, Word, Worth};
use super::output::remark;
use super::serve::interrupted;
use super::{Format, runtime};
use crate::canary;
use crate::clock::{Clock as _, SystemClock};
use crate::config::reading;
use crate::ingest::broker::{Address, Credentials, Settings};
use crate::ingest::client::{self, Heard, Line};
use crate::model::alert::RevisionKind;
use crate::model::id::AgencyId;
use crate::model::time::{Span, Timestamp};
use crate::notify::pager::Page;
use crate::wire;
use crate::wire::duration;
use crate::wire::topic::{DEFAULT_ROOT, Topic, check_root};

/// What `watch` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Give its login to nobody else: [[endpoint.login]] with role = \"desk\" and the agency of [canary], or the same at the broker.
An alert counts when it is new and its report was received within --within by this computer's clock, so that both computers' clocks must be right.
Exit codes: 0 well when it ended; 1 not, or it failed; 2 the command line was not understood. With --once: 0 an alert came; 1 none did."
)]
pub(super) struct Arguments {
    /// Where the canary's alert comes, the endpoint or the broker: `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`
    #[arg(long, value_name = "URL", value_parser = Address::parse)]
    mqtt: Address,
    /// Name to log in with
    #[arg(long, value_name = "NAME", requires = "password_file")]
    username: Option<String>,
    /// File that holds the password
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// PEM file of whom to trust at an mqtts:// address; without it, whom the operating system trusts
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The canary's agency
    #[arg(long, value_name = "ID", default_value = canary::NAME, value_parser = AgencyId::parse)]
    agency: AgencyId,
    /// First levels of the topics
    #[arg(long, value_name = "ROOT", default_value = DEFAULT_ROOT)]
    root: String,
    /// Page when no new alert has come for so long: twice the canary's `every` and a bit
    #[arg(long, value_name = "TIME", default_value = "150s", value_parser = span)]
    within: Span,
    /// Say so again after so long
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = span)]
    repeat: Span,
    /// Wait for one alert, --within at most, say whether it came, and end: for cron, Nagios and their like
    #[arg(long)]
    once: bool,
    /// How what is seen is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    receivers: Receivers,
}

/// A length of time that can be waited for.
fn span(text: &str) -> Result<Span, String> {
    let span =
        duration::parse(text).ok_or("is no length of time; expected one such as 90s or 5m")?;
    if span < Span::seconds(1) {
        return Err("is shorter than a second; expected 1s or longer".to_owned());
    }
    Ok(span)
}

/// Something that was seen, as it is printed.
#[derive(Debug, Serialize)]
struct Seen<'a> {
    at: String,
    event: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<i64>,
}

/// Watches until it is told to end.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    check_root(&arguments.root).context("--root")?;
    if arguments.ca.is_some() && !arguments.mqtt.encrypted {
        bail!("--ca stands beside an address without TLS; expected mqtts://");
    }
    let told = arguments.receivers.ready()?;
    if told.is_empty() && !arguments.once {
        remark("nobody is paged: what is seen is only printed; see --run, --webhook and --push");
    }
    let settings = arguments.settings()?;
    let topic = Topic::DeskAlert {
        agency: arguments.agency.clone(),
    };
    let (client, line) = client::client(&settings, "", topic.to_text(&arguments.root))?;
    let well = runtime()?.block_on(async {
        tokio::select! {
            () = client.run() => bail!("the connection ended"),
            watched = watch(arguments, line, &told) => watched,
        }
    })?;
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Arguments {
    fn settings(&self) -> anyhow::Result<Settings> {
        let mut settings = Settings::new(self.mqtt.clone());
        // Two watchers must not take each other's place.
        let once = getrandom::u32().context("failed to draw a client id")?;
        settings.client_id = format!("watch-{once:08x}");
        settings.root.clone_from(&self.root);
        settings.ca.clone_from(&self.ca);
        if let (Some(username), Some(file)) = (&self.username, &self.password_file) {
            let password = reading::some_text(file)?;
            settings.credentials = Some(Credentials {
                username: username.clone(),
                password: password.trim_end_matches(['\r', '\n']).to_owned(),
            });
        }
        Ok(settings)
    }

    /// Prints something that was seen, at once.
    fn print(&self, event: &str, detail: &str, age: Option<Span>) -> anyhow::Result<()> {
        let at = SystemClock.now().to_string();
        let line = match self.format {
            Format::Text => format!("{at} {}: {detail}", event.replace('_', " ")),
            Format::Json => serde_json::to_string(&Seen {
                at,
                event,
                detail,
                age_ms: age.map(Span::as_millis),
            })?,
        };
        let mut output = std::io::stdout().lock();
        writeln!(output, "{line}")?;
        Ok(output.flush()?)
    }

    /// An alert of the canary that has just been opened: its code, and when what raised it was received.
    fn opened(&self, payload: &[u8]) -> Option<(String, Timestamp)> {
        let text = str::from_utf8(payload).ok()?;
        let alert = wire::alert::decode(text).ok()?;
        let counts = alert.agency == self.agency
            && alert.simulated
            && alert.revision_kind == RevisionKind::Opened;
        counts.then(|| (alert.id.code(), alert.received_at))
    }
}

/// Watches; whether it was well at the end.
async fn watch(arguments: &Arguments, mut line: Line, told: &Told) -> anyhow::Result<bool> {
    let mut vigil = Vigil::new(arguments.within, arguments.repeat, SystemClock.now());
    let mut ended = std::pin::pin!(interrupted());
    // Why there is nothing, where that is known.
    let mut trouble = String::from("it was never connected");
    loop {
        tokio::select! {
            () = &mut ended => return Ok(vigil.is_well()),
            () = SystemClock.until(vigil.next_at()) => {}
            heard = line.heard() => hear(arguments, &mut vigil, &heard, &mut trouble)?,
        }
        if arguments.once && vigil.is_well() {
            return Ok(true);
        }
        let Some((word, since)) = vigil.tick(SystemClock.now()) else {
            continue;
        };
        let detail = sentence(word, vigil.good_at(), &trouble);
        arguments.print(word.name(), &detail, None)?;
        let page = Page {
            state: word.name(),
            detail: &detail,
            at: since,
            key: &format!("watch/{}/{since}", word.name()),
        };
        let problems = told.tell(&page).await;
        for problem in &problems {
            arguments.print("page_failed", problem, None)?;
        }
        vigil.said(SystemClock.now(), problems.is_empty());
        if arguments.once {
            return Ok(false);
        }
    }
}

fn hear(
    arguments: &Arguments,
    vigil: &mut Vigil,
    heard: &Heard,
    trouble: &mut String,
) -> anyhow::Result<()> {
    match heard {
        Heard::Subscribed => {
            "it is connected, and no alert comes".clone_into(trouble);
            arguments.print("connected", "the canary's alerts are awaited", None)
        }
        Heard::Lost(why) if why == trouble => Ok(()),
        Heard::Lost(why) => {
            why.clone_into(trouble);
            arguments.print("lost", why, None)
        }
        Heard::Acknowledged => Ok(()),
        Heard::Message(payload) => {
            let Some((code, received_at)) = arguments.opened(payload) else {
                return Ok(());
            };
            match vigil.alert(SystemClock.now(), received_at) {
                Worth::Good(age) => {
                    let detail = format!(
                        "{code} has come, {} s after its report was received",
                        age.as_seconds()
                    );
                    arguments.print("alert", &detail, Some(age))
                }
                Worth::Stale(age) => {
                    *trouble = format!(
                        "alerts come {} s after their reports were received, by this computer's clock",
                        age.as_seconds()
                    );
                    let detail = format!("{code} does not count: {trouble}");
                    arguments.print("stale", &detail, Some(age))
                }
                Worth::Known => Ok(()),
            }
        }
    }
}

/// What is said to people.
fn sentence(word: Word, good_at: Timestamp, trouble: &str) -> String {
    match word {
        Word::Down => format!(
            "no alert of the canary has come since {good_at} ({trouble}): take it that nobody is told of any alert"
        ),
        Word::StillDown => {
            format!("still no alert of the canary, none since {good_at} ({trouble})")
        }
        Word::Well => format!("the canary's alert comes again, since {good_at}"),
    }
}
