"""Which test shows which requirement: the numbered answers to what other clients get wrong.

Q25 and Q27 are not listed: what they speak of (routing, replay) is not built yet.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

from exllm.providers import ProviderSpec, registry
from tests.faults.dialects import DIALECTS

TESTS = Path(__file__).parent

INDEX: dict[str, tuple[str, list[str]]] = {
    "Q1": ("import costs little and does nothing", [
        "test_import.py::test_q01_import_loads_nothing_heavy_and_under_250_modules",
        "test_import.py::test_q01_q03_import_opens_no_socket_reads_no_environment_and_writes_no_file",
    ]),
    "Q2": ("six packages, under 25 MiB", [
        "e2e/test_packaging.py::test_q02_the_wheel_brings_six_packages_and_what_they_need",
        "e2e/test_packaging.py::test_q02_the_installed_packages_take_under_25_mib",
    ]),
    "Q3": ("no network but provider calls", [
        "test_import.py::test_q01_q03_import_opens_no_socket_reads_no_environment_and_writes_no_file",
        "model_catalog/test_store.py::test_q03_asking_the_catalog_opens_no_socket_and_needs_no_yaml",
    ]),
    "Q4": ("a body without its end is an error", [
        "faults/test_bodies.py::test_q04_a_body_without_its_terminal_event_is_an_interruption",
        "faults/test_bodies.py::test_q04_a_frame_cut_in_the_middle_says_nothing",
    ]),
    "Q5": ("silence is a timeout, pings or not", [
        "faults/test_connections.py::test_q05_pings_do_not_count_as_life",
        "faults/test_connections.py::test_stall_midway",
        "transport/test_connecting.py::test_a_connection_that_does_not_come_about_is_a_connect_timeout",
    ]),
    "Q6": ("break closes the connection within 100 ms, without the collector", [
        "test_client.py::test_q06_a_break_closes_the_connection_within_100_ms_without_the_collector",
    ]),
    "Q7": ("aclose from another task within 50 ms", [
        "test_client.py::test_q07_closing_from_another_task_ends_the_reader_and_the_socket_within_50_ms",
        "test_client.py::test_q07_closing_twice_at_once_is_fine",
        "live/test_session.py::test_aclose_from_another_task_ends_a_read_with_a_clear_error_and_the_socket",
    ]),
    "Q8": ("cancellation is raised, within 20 ms, and leaves nothing", [
        "test_cancellation.py::test_q08_cancelled_at_every_await_over_http",
        "test_cancellation.py::test_q08_cancelled_at_every_await_of_a_foreign_provider",
        "test_cancellation.py::"
        "test_q08_a_cancelled_reader_leaves_what_had_come_and_is_seen_by_the_server_within_20_ms",
        "live/test_cancellation.py::test_cancelled_anywhere_it_leaves_nothing",
    ]),
    "Q9": ("only our errors, with their facts", [
        "faults/test_table.py::test_q09_every_fault_is_one_of_our_errors_with_its_facts",
        "faults/test_statuses.py::test_a_rate_limit_in_a_body_with_status_200_is_an_error",
        "streaming/test_pump.py::test_whatever_an_iterator_raises_leaves_as_one_of_ours",
        "live/test_failures.py::test_a_session_that_fails_hands_out_what_came_before_and_then_says_why",
    ]),
    "Q10": ("one client, many loops", [
        "test_loops.py::test_q10_the_module_level_client_works_in_three_loops_in_a_row",
        "test_loops.py::test_q10_the_module_level_client_works_in_the_loops_of_four_threads",
        "live/test_surroundings.py::test_one_client_serves_three_loops_in_a_row_and_four_threads",
    ]),
    "Q11": ("a client leaves no socket, a forgotten one warns once", [
        "test_client.py::test_q11_a_client_that_is_left_leaves_no_socket",
        "live/test_session.py::test_a_forgotten_session_warns_and_closes_its_socket",
        "test_client.py::test_q11_a_forgotten_client_warns_once_and_names_where_it_was_made",
        "test_client.py::test_q11_a_client_that_was_never_used_need_not_be_closed",
    ]),
    "Q12": ("a thousand streams through a pool of ten", [
        "test_client.py::test_q12_a_thousand_streams_through_a_pool_of_ten",
    ]),
    "Q13": ("memory does not grow", [
        "test_soak.py::test_q13_a_stream_of_200_000_chunks_grows_by_less_than_a_megabyte",
        "test_soak.py::test_q13_the_accumulator_holds_at_most_twice_the_text",
        "test_soak.py::test_q13_a_stream_that_is_over_leaves_nothing_to_the_garbage_collector",
    ]),
    "Q14": ("a chunk costs the same, early and late", [
        "test_soak.py::test_q14_a_chunk_costs_the_same_at_1_000_and_at_32_000",
        "test_soak.py::test_q14_delivery_costs_the_same_at_1_000_and_at_32_000",
    ]),
    "Q15": ("what is tried again, when, and what never", [
        "faults/test_statuses.py::test_q15_passing_failures_are_sent_again",
        "faults/test_statuses.py::test_q15_lasting_failures_are_not",
        "faults/test_statuses.py::test_q15_a_wait_that_the_server_asks_for_is_kept",
        "faults/test_statuses.py::test_q15_a_wait_of_a_second_is_kept",
        "faults/test_statuses.py::test_q15_a_wait_until_a_date_is_counted_by_the_servers_own_clock",
        "faults/test_statuses.py::test_q15_a_wait_beyond_the_cap_raises_at_once_and_says_until_when",
        "faults/test_statuses.py::test_q15_a_retryable_error_in_the_stream_before_any_content_is_tried_again",
        "faults/test_statuses.py::test_q15_a_lasting_error_in_the_stream_is_not_tried_again",
        "faults/test_statuses.py::test_q15_a_connection_that_broke_before_the_answer_is_made_again",
        "faults/test_statuses.py::test_q15_a_wait_that_does_not_fit_in_the_time_left_is_not_begun",
        "faults/test_statuses.py::test_q15_the_attempts_end",
        "faults/test_statuses.py::test_q15_nothing_is_tried_again_once_content_has_come",
    ]),
    "Q16": ("usage says where it is from", [
        "test_client.py::test_q16_usage_is_asked_for_and_reported_in_streams",
        "test_client.py::test_q16_an_aborted_stream_never_claims_zeros",
        "faults/test_bodies.py::test_usage_that_had_arrived_is_partial",
    ]),
    "Q17": ("input is uncached, read and written together", [
        "types/test_usage.py::test_input_is_uncached_plus_read_plus_written",
        "types/test_usage.py::test_stream_and_whole_answer_count_the_same",
        "providers/test_every_wire.py::test_q17_a_stream_and_a_whole_answer_count_the_same",
        "providers/test_every_wire.py::test_q17_input_is_uncached_read_and_written_in_every_recording",
        "cost/test_pricer.py::test_q17_input_is_uncached_plus_read_plus_written_for_five_minutes_or_an_hour",
        "cost/test_pricer.py::"
        "test_any_usage_is_billed_between_its_cheapest_and_its_dearest_rate_and_the_parts_add_up",
        "cost/test_response_cost.py::test_q17_a_response_costs_what_its_usage_says_with_its_parts",
    ]),
    "Q18": ("tool calls, however they are cut", [
        "providers/test_every_wire.py::test_q18_any_split_of_the_arguments_gives_the_same_call",
        "providers/test_every_wire.py::test_q18_any_slicing_of_the_bytes_gives_the_same_call",
        "providers/test_every_wire.py::test_q18_a_call_without_arguments_is_a_call",
        "providers/test_openai_chat_calls.py::test_any_cut_in_any_style_gives_the_same_calls",
        "providers/test_anthropic_tool_deltas.py::test_any_split_and_any_order_of_pieces_gives_the_same_calls",
        "providers/test_openai_responses_tool_deltas.py::test_any_split_and_any_order_of_pieces_gives_the_same_calls",
        "providers/test_cohere_decode.py::test_any_split_of_the_arguments_gives_the_same_call",
        "providers/test_ollama_decode.py::test_calls_are_the_same_however_they_are_spread_over_lines",
        "providers/test_bedrock_converse_decode.py::test_interleaved_calls_in_any_fragments_are_the_same_calls",
        "providers/test_gemini_decode.py::test_arguments_in_pieces_are_put_together",
    ]),
    "Q19": ("server-sent events as the standard says", [
        "providers/test_every_wire.py::test_q19_unicode_line_ends_and_split_characters_are_text",
        "streaming/test_sse.py::test_vector_decodes_as_the_standard_says_in_any_slicing",
        "streaming/test_sse.py::test_unicode_line_ends_are_data",
        "streaming/test_sse.py::test_ten_megabyte_event_arrives_whole",
    ]),
    "Q20": ("text before a call does not end a run", [
        "tools/test_run.py::test_q20_text_before_a_call_does_not_end_the_run",
        "e2e/test_aimock_runs.py::test_three_turns_with_parallel_calls_and_text_before_a_call",
    ]),
    "Q21": ("a conversation that was cut is valid for the next request", [
        "tools/test_run_cancelled.py::test_q21_cancelled_at_every_await",
        "tools/test_run_cancelled.py::test_q21_cancelled_at_every_await_over_http",
        "sessions/test_cancelled.py::test_q21_a_turn_cancelled_at_every_await",
    ]),
    "Q22": ("everything survives pickle and copy", [
        "test_pickle.py::test_every_error_keeps_its_type_message_and_facts",
        "test_pickle.py::test_responses_survive",
        "test_pickle.py::test_requests_survive",
        "test_pickle.py::test_chunks_survive",
        "sessions/test_data.py::test_a_session_travels_whole",
        "test_pickle.py::test_config_sources_survive",
        "tools/test_run.py::test_a_run_is_plain_data",
    ]),
    "Q23": ("no surprise", [
        "test_client.py::test_q23_nothing_is_added_to_what_was_said",
        "test_client.py::test_q23_no_tool_is_run_unasked",
        "test_client.py::test_q23_repetition_is_no_reason_to_stop_and_nothing_is_printed",
    ]),
    "Q24": ("long answers have no ten-minute cap", [
        "test_client.py::test_q24_a_long_request_is_a_stream_underneath_and_has_no_ten_minute_cap",
    ]),
    "Q26": ("installs next to the newest SDKs", [
        "e2e/test_packaging.py::test_q26_installs_next_to_the_newest_sdks_without_holding_one_back",
    ]),
}  # fmt: skip

FOR_EVERY_WIRE = ("Q4", "Q5", "Q9", "Q15", "Q16", "Q17", "Q18", "Q19")
"""These have a test that takes a `dialect`, of which there is one for each wire."""


@functools.cache
def _arguments(path: str) -> dict[str, set[str]]:
    """The functions of a file, and what each takes."""
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    return {
        node.name: {argument.arg for argument in node.args.args}
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def _tests_in(path: str) -> set[str]:
    return {*_arguments(path)}


@pytest.mark.parametrize("number", INDEX)
def test_the_tests_of_a_requirement_are_there(number: str) -> None:
    _, tests = INDEX[number]
    assert tests
    for test in tests:
        path, _, name = test.partition("::")
        assert name in _tests_in(path), test


def test_every_test_that_names_a_requirement_is_listed_under_it() -> None:
    for path in sorted(TESTS.rglob("test_*.py")):
        relative = path.relative_to(TESTS).as_posix()
        for name in _tests_in(relative):
            if name.startswith("test_q") and name[6:8].isdigit():
                number = f"Q{int(name[6:8])}"
                listed = [test for _, tests in [INDEX[number]] for test in tests]
                assert f"{relative}::{name}" in listed, f"{relative}::{name} is not under {number}"


@pytest.mark.parametrize("number", FOR_EVERY_WIRE)
def test_what_holds_for_every_wire_is_asked_of_every_wire(number: str) -> None:
    tests = [test.partition("::") for test in INDEX[number][1]]
    assert any("dialect" in _arguments(path)[name] for path, _, name in tests)


def test_there_is_a_dialect_for_every_wire() -> None:
    specs = [registry.get(dialect.provider) for dialect in DIALECTS]
    assert sorted(spec.wire for spec in specs if isinstance(spec, ProviderSpec)) == sorted(registry._WIRES)
