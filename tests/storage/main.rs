//! What every database must keep, told once against the store's trait, and what only one of them can get wrong.
//!
//! `stories/` names no database: `stories!` runs each on every one. Deliberately absent:
//! sleeping, fixed ports and the engine; effects are made by hand.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what went wrong by ending"
)]

mod copy;
mod kill;
mod only_postgres;
#[path = "../parts/postgres.rs"]
#[expect(dead_code, reason = "others need more of a server")]
mod postgres;
#[path = "../parts/proxy.rs"]
#[expect(dead_code, reason = "others need more of a way")]
mod proxy;
mod sqlite;
mod stories;
mod support;

/// Runs each story on every kind of database.
macro_rules! stories {
    ($($module:ident::$story:ident,)+) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $story() {
                    crate::stories::$module::$story(&crate::support::Database::sqlite()).await;
                }
            )+
        }
        mod on_postgres {
            $(
                #[tokio::test]
                async fn $story() {
                    crate::stories::$module::$story(&crate::support::Database::postgres()).await;
                }
            )+
        }
    };
}

stories! {
    commit::a_commit_needs_epoch_and_cursor,
    commit::what_contradicts_itself_is_refused_whole,
    commit::a_restart_gives_back_what_was_committed,
    commit::definitions_are_those_in_force_at_the_floor,
    commit::a_writer_dropped_at_any_point_stores_whole_batches,
    commit::unreadable_messages_are_counted_and_the_newest_kept,
    desk::a_decision_needs_the_version_it_was_made_on,
    desk::of_many_decisions_at_once_one_is_stored,
    desk::stream_ids_are_dense_in_commit_order_and_resumable,
    desk::lists_stay_whole_while_rows_change,
    desk::lists_keep_to_their_filter,
    desk::sessions_begin_and_end,
    desk::agencies_with_the_same_ids_never_mix,
    outbox::everybody_who_got_the_alert_gets_the_revision,
    outbox::a_lease_keeps_others_off_until_it_runs_out,
    outbox::attempts_are_recorded_and_shown_beside_their_alert,
    outbox::the_urgent_go_first_and_each_channel_is_a_lane,
    ladder::a_ladder_climbs_once_for_each_step_and_stays_over_a_restart,
    ladder::a_dead_letter_stands_until_somebody_acknowledges,
    ladder::a_step_is_taken_on_what_was_seen_or_not_at_all,
    ladder::a_replaced_owner_takes_no_step,
    ladder::a_letter_to_somebody_else_hurries_nobody,
    ladder::a_damaged_ladder_is_set_aside_alone,
    sharing::agencies_and_people_share_the_places,
    sharing::one_row_that_can_not_be_read_stops_nobody,
    sharing::what_waits_behind_another_is_left_alone,
    sharing::a_dead_letter_is_sent_again_once,
    outbox::addresses_come_from_the_newest_roster,
    outbox::settled_notifications_go_with_the_log,
    outbox::a_reminder_goes_to_the_device,
    forgetting::only_closed_alerts_about_nobody_are_forgotten,
    growth::blocks_are_the_log,
    growth::retention_leaves_what_is_needed,
    growth::checkpoints_thin_out_to_one_an_hour,
    growth::sightings_are_the_newest_and_come_in_pages,
    history::a_history_starts_at_its_checkpoint,
    history::a_history_reads_the_same_at_every_replay,
}
