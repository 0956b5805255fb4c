//! One story for every store: each rule of `Store` is told on a fresh, empty store and must hold word for word whatever
//! database is behind it. `sqlite.rs` adds what is peculiar to SQLite: durability, group commit, the file. `postgres.rs` adds what is
//! peculiar to PostgreSQL: several nodes, a connection that breaks. Without a PostgreSQL its tests are skipped and say so;
//! with `MULTI_UPLOAD_FORBID_SKIPS=1` that is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod audit;
mod doubts;
mod files;
mod others;
mod postgres;
mod publishing;
mod rows;
mod slots;
mod sqlite;
mod turns;
mod uploads;
mod webhooks;

/// One test for each rule and each store, on a fresh database.
macro_rules! rules {
    ($($module:ident: $($rule:ident),+;)+) => {
        mod on_sqlite { $($(
            #[tokio::test]
            async fn $rule() {
                let place = crate::sqlite::Place::new();
                crate::$module::$rule(place.store()).await;
            }
        )+)+ }
        mod on_postgres { $($(
            #[tokio::test]
            async fn $rule() {
                let Some(place) = crate::postgres::Place::new().await else {
                    return;
                };
                crate::$module::$rule(place.store().await).await;
                place.end().await;
            }
        )+)+ }
    };
}

rules! {
    uploads: an_upload_is_read_as_it_was_stored, many_uploads_are_stored_in_one_call, a_call_that_fails_stores_nothing,
        a_repeated_key_gives_the_first_answer, a_key_lives_for_seven_days, nobody_sees_uploads_of_another_owner,
        uploads_are_listed_newest_first_in_pages, a_filter_keeps_what_it_names, what_is_due_is_queued,
        the_change_feed_gives_each_upload_once_in_order, an_edit_replaces_content_and_times,
        an_edit_is_refused_once_a_target_is_under_way, a_draft_is_scheduled_by_an_edit,
        targets_due_after_a_time_are_counted;
    publishing: due_targets_are_claimed_oldest_first, a_board_of_an_account_has_one_target_under_way,
        nothing_enters_a_busy_board_by_a_change, a_wait_ends_at_its_time, a_change_compares_phase_and_fence,
        a_change_writes_only_what_the_machine_owns, a_success_is_final,
        other_ends_are_left_for_another_try_or_a_late_proof, a_target_has_one_open_attempt,
        a_post_belongs_to_one_target, leases_end, a_living_holder_keeps_its_lease, a_target_under_way_without_a_lease_is_found_at_once,
        several_changes_stand_each_for_itself;
    doubts: a_doubt_blocks_its_like_and_no_other_pin_of_the_board, a_look_is_taken_when_it_is_due,
        a_second_post_is_looked_for_at_its_time, a_baseline_is_kept_until_the_target_has_ended,
        a_target_is_read_by_who_holds_it, one_of_a_kind_is_in_doubt_until_its_outcome_is_known, posts_of_our_own_are_known, what_stands_is_counted;
    turns: nothing_is_taken_from_a_held_account, a_hold_does_not_bring_anything_forward,
        a_rest_is_told_with_its_end_and_reason, what_waits_beyond_its_late_rule_is_found, a_write_limit_holds_over_claims,
        a_write_limit_is_of_an_account_on_its_platform, accounts_take_turns, a_clock_that_went_back_keeps_nobody_waiting;
    slots: next_slots_are_filled_in_order, targets_have_times_of_their_own, without_a_free_slot_nothing_is_stored,
        a_repeated_key_gives_the_slot_of_the_first, many_callers_share_no_slot, what_is_given_up_is_free_again,
        an_edit_takes_the_next_slot, a_wall_time_is_kept_and_can_move, slots_are_kept_for_their_owner,
        what_is_used_of_a_limit_is_told;
    others: accounts_are_kept_for_their_owner, tokens_are_saved_by_whoever_read_the_newest, one_engine_renews_at_a_time, a_connection_is_taken_once,
        a_connection_that_expired_is_not_found, api_keys_are_found_listed_and_revoked, a_data_key_is_added_once, a_note_is_replaced_by_the_next,
        a_heartbeat_never_falls, a_request_with_a_key_is_begun_once,
        what_has_lost_its_use_is_forgotten, a_closed_store_refuses;
    files: files_are_kept_for_their_owner, a_file_goes_on_only_from_where_it_is, a_key_begins_one_file,
        an_allowance_counts_shared_content_once, the_same_content_is_kept_once, unused_files_expire,
        a_file_stays_while_an_upload_needs_it;
    webhooks: endpoints_are_kept_for_their_owner, a_change_is_queued_with_its_event_for_those_who_want_it,
        several_changes_at_once_are_told_in_order, accounts_are_told_of, deliveries_of_a_subject_go_in_order, a_lane_has_one_holder,
        what_was_delivered_is_forgotten_in_time, a_new_upload_of_each_kind_is_told_as_it_is;
    audit: every_change_is_written_down, rows_are_sealed_in_a_chain_for_each_team;
}

/// What holds only where one process owns the database.
#[tokio::test]
async fn a_sole_owner_ends_every_lease() {
    let place = sqlite::Place::new();
    publishing::a_sole_owner_ends_every_lease(place.store()).await;
}
