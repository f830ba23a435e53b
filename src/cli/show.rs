//! `bailiwick replay --serve`: a feed on the same page as live work, read-only, with pause and speed.
//!
//! The feed goes through the same pipeline into a database in memory, on a clock that the player moves: what arrived by
//! then is delivered first, and only then does the clock get there. Deliberately absent: printing, and acting on alerts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::output::{Output, remark};
use super::serve::{interrupted, secret};
use crate::app::{App, Settings};
use crate::clock::{Clock, ManualClock};
use crate::model::event::Event;
use crate::model::id::AgencyId;
use crate::model::time::{Span, Timestamp};
use crate::pipeline::delivery::{Awaited, Content, Delivery, Inlet, Receipt};
use crate::pipeline::{self, keeping};
use crate::replay::Definitions;
use crate::web::{self, ReplayControl, ReplayState, ReplayWish};

/// How often the player moves on: often enough to look like a flow.
const STEP: Duration = Duration::from_millis(100);

/// Quiet time before the first message, so that nothing is missed at the start.
const LEAD: Span = Span::seconds(1);

/// What the feed brings at an instant.
#[derive(Debug)]
pub(super) enum Act {
    /// A message of a device.
    Message(AgencyId, Box<Content>),
    /// A change of definitions or a check-in.
    Change(Event),
}

/// What is to be shown, and how.
#[derive(Debug)]
pub(super) struct Show {
    /// What is in force from the start.
    pub(super) definitions: Definitions,
    /// What happens, by receive time.
    pub(super) acts: Vec<(Timestamp, Act)>,
    /// Whose page it is.
    pub(super) agency: AgencyId,
    /// Where to look.
    pub(super) listen: SocketAddr,
    /// Seconds of the feed in one second, to begin with.
    pub(super) speed: f64,
}

/// The player: how fast, and whether at all.
#[derive(Debug)]
struct Player(watch::Sender<ReplayState>);

impl ReplayControl for Player {
    fn state(&self) -> ReplayState {
        *self.0.borrow()
    }

    fn set(&self, wish: ReplayWish) {
        self.0.send_modify(|state| {
            state.paused = wish.paused.unwrap_or(state.paused);
            state.speed = wish.speed.unwrap_or(state.speed);
        });
    }
}

/// Shows the feed until it is interrupted.
pub(super) fn run(show: Show) -> anyhow::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    runtime.block_on(serve(show))
}

async fn serve(show: Show) -> anyhow::Result<()> {
    let begin = show.acts.first().map(|(at, _)| *at - LEAD);
    let begin = begin.context("the feed has nothing that could be shown")?;
    let clock = Arc::new(ManualClock::new(begin));
    let player = Arc::new(Player(watch::Sender::new(ReplayState {
        paused: false,
        speed: show.speed,
    })));
    let token = secret()?;
    let control: Arc<dyn ReplayControl> = Arc::<Player>::clone(&player);
    let settings = settings(&show, &token, control);
    let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let mut app = App::start(settings, shared).await?;
    app.open();
    let page = app.web_address().context("the replay has a page")?;
    let mut output = Output::new();
    output.text(&format!(
        "page:  http://{page}/#token={token}\ntoken: {token}\nCtrl-C stops.\n"
    ))?;
    output.finish()?;
    let (inlet, acts) = (app.inlet(), show.acts);
    app.run("player", move |mut stop| async move {
        tokio::select! {
            ended = play(acts, &inlet, &clock, &player) => ended?,
            _ = stop.wait_for(|told| *told) => return Ok(()),
        }
        remark("the feed has ended; the page stays");
        drop(stop.wait_for(|told| *told).await);
        Ok(())
    });
    let failure = tokio::select! {
        () = interrupted() => None,
        error = app.failed() => Some(error),
    };
    app.stop().await;
    failure.map_or(Ok(()), Err)
}

fn settings(show: &Show, token: &str, player: Arc<dyn ReplayControl>) -> Settings {
    Settings {
        database_url: "sqlite::memory:".to_owned(),
        endpoint: None,
        broker: None,
        web: Some(web::Settings {
            tls: None,
            address: show.listen,
            tokens: vec![web::Token {
                name: "replay".to_owned(),
                sha256: web::SecretSha256::of(token),
                agency: show.agency.clone(),
                scope: web::Scope::Read,
            }],
            map: web::Map::default(),
            secure_cookie: false,
            limits: web::Limits::default(),
            reporters: web::Reporters::default(),
        }),
        notify: crate::notify::settings::Settings::default(),
        pipeline: pipeline::Settings {
            owner: "replay".to_owned(),
            lease: pipeline::LEASE,
            checkpoints: pipeline::CheckpointLimits::default(),
            uncounted: None,
        },
        keeping: keeping::Settings::default(),
        definitions: show.definitions.events(&show.agency),
        canary: None,
        simulated: false,
        replay: Some(player),
    }
}

/// Plays the acts: what arrived up to an instant is judged and stored before the clock gets there.
async fn play(
    acts: Vec<(Timestamp, Act)>,
    inlet: &Inlet,
    clock: &ManualClock,
    player: &Player,
) -> anyhow::Result<()> {
    let mut acts = acts.into_iter().peekable();
    let mut steps = interval(STEP);
    steps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Parts of a millisecond that slow speeds add up to.
    let mut rest = 0.0;
    while acts.peek().is_some() {
        steps.tick().await;
        let state = player.state();
        if state.paused {
            continue;
        }
        rest += STEP.as_secs_f64() * 1000.0 * state.speed;
        let whole = whole_millis(rest);
        rest -= f64::from(whole);
        let now = clock.now() + Span::millis(i64::from(whole));
        let mut last = None;
        while let Some((at, act)) = acts.next_if(|(at, _)| *at <= now) {
            last = act_out(at, act, inlet).await?.or(last);
        }
        if let Some(awaited) = last {
            awaited.durable().await?;
        }
        clock.advance_to(now);
    }
    Ok(())
}

fn whole_millis(millis: f64) -> u32 {
    // The fastest speed makes a thousand seconds of one step.
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to what fits just before"
    )]
    let whole = millis.clamp(0.0, 4e9) as u32;
    whole
}

async fn act_out(at: Timestamp, act: Act, inlet: &Inlet) -> anyhow::Result<Option<Awaited>> {
    match act {
        Act::Message(agency, content) => {
            let (receipt, awaited) = Receipt::new();
            let delivery = Delivery {
                agency,
                content: *content,
                received_at: Some(at),
                receipt,
            };
            inlet.deliver(delivery).await?;
            Ok(Some(awaited))
        }
        Act::Change(event) => {
            inlet.change(event).await?;
            Ok(None)
        }
    }
}
