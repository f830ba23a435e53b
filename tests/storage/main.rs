//! What every database must keep, told once against the store's trait, and what only SQLite can get wrong.
//!
//! `stories/` names no database: a second one is tested by one more line of `stories!` here. Deliberately absent:
//! sleeping, fixed ports and the engine; effects are made by hand.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what went wrong by ending"
)]

mod kill;
mod sqlite;
mod stories;
mod support;

/// Runs each story on one kind of database.
macro_rules! stories {
    ($database:path: $($module:ident::$story:ident,)+) => {
        $(
            #[tokio::test]
            async fn $story() {
                crate::stories::$module::$story(&$database()).await;
            }
        )+
    };
}

mod on_sqlite {
    stories! { crate::support::Database::sqlite:
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
        outbox::addresses_come_from_the_newest_roster,
        outbox::settled_notifications_go_with_the_log,
        outbox::a_reminder_goes_to_the_device,
        growth::blocks_are_the_log,
        growth::retention_leaves_what_is_needed,
        growth::checkpoints_thin_out_to_one_an_hour,
        growth::sightings_are_the_newest_and_come_in_pages,
        history::a_history_starts_at_its_checkpoint,
        history::a_history_reads_the_same_at_every_replay,
    }
}
