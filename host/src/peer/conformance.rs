//! What calls over links must do, whatever carries the links: run over mutual TLS and over the network in memory.

mod bodies;
mod deaf;
mod faults;
mod frames;
mod heap;
mod hostile;
mod mad_server;
mod messages;
mod million;
mod silence;
mod world;

use world::Kind;

macro_rules! over_both {
    ($($group:ident: $($scenario:ident)*;)*) => {
        mod over_tls {
            $($(#[tokio::test]
            async fn $scenario() {
                super::$group::$scenario(super::Kind::Tls).await;
            })*)*
        }
        mod in_memory {
            $($(#[tokio::test]
            async fn $scenario() {
                super::$group::$scenario(super::Kind::Memory).await;
            })*)*
        }
    };
}

over_both! {
    messages:
        a_call_arrives_as_it_was_sent
        the_callee_learns_which_node_called
        a_response_comes_back_as_it_was_given
        every_error_crosses_and_no_service_can_forge_one
        what_guests_say_in_the_links_name_is_dropped
        deadlines_shrink_and_passed_ones_are_not_sent
        headers_are_limited_both_ways
        odd_methods_and_paths_cross
        control_is_not_a_call
        control_is_limited_in_size
        a_name_is_found_out_and_another_start_is_refused;
    bodies:
        bodies_at_hand_arrive_at_hand
        big_bodies_cross_both_ways
        bidirectional_streams_take_turns
        a_slow_reader_stops_the_producer
        a_stalled_stream_holds_up_no_other
        a_dropped_call_cancels_its_handler
        a_dropped_response_cancels_its_producer
        a_handler_that_drops_the_request_stops_its_sender
        a_body_that_breaks_off_says_why_behind_its_data
        a_request_that_breaks_off_says_why
        content_lengths_are_what_services_say
        many_small_frames_are_no_attack;
    faults:
        calls_in_flight_are_answered_while_draining
        a_full_connection_gets_a_second_and_then_refuses
        nobody_there_is_news_and_retryable
        a_handler_that_panics_costs_its_call_only
        many_callers_share_one_connection
        a_released_peer_is_let_go
        forgetting_a_peer_again_and_again_loses_no_call
        closing_lets_calls_in_flight_end;
}
