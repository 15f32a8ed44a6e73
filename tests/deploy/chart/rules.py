"""All rules, in one list: the set of checks that every set of values passes and that every mutant fails."""

from collections.abc import Callable, Iterator

from tests.deploy.chart import rules_backup, rules_house, rules_kafka, rules_network, rules_pods
from tests.deploy.chart.rendered import Rendered

Rule = Callable[[Rendered], Iterator[str]]

RULES: tuple[Rule, ...] = (
    rules_pods.pods_are_restricted,
    rules_pods.pods_are_hardened,
    rules_pods.nobody_holds_a_token,
    rules_pods.probes_ask_the_right_thing,
    rules_pods.nothing_in_hand_is_lost,
    rules_pods.copies_stand_apart,
    rules_pods.images_are_named_by_digest,
    rules_pods.secrets_stay_secret,
    rules_pods.resources_are_bounded,
    rules_house.one_deployment_for_each_process,
    rules_house.labels_choose_their_own,
    rules_house.services_lead_somewhere,
    rules_house.one_copy_at_a_time_may_go,
    rules_house.variables_are_what_the_code_reads,
    rules_house.keys_are_held_by_who_reads_them,
    rules_kafka.topics_are_the_contracts,
    rules_kafka.rights_at_kafka_are_the_table,
    rules_kafka.workers_grow_with_their_lag,
    rules_house.one_origin_leads_to_each_service,
    rules_house.jobs_come_first_and_in_order,
    rules_house.it_tests_itself,
    rules_house.secrets_that_are_named_are_there,
    rules_house.prometheus_finds_everybody,
    rules_backup.each_part_is_backed_up_by_itself,
    rules_backup.no_hand_holds_data_and_keys,
    rules_backup.backups_are_watched,
    rules_network.everything_is_denied_first,
    rules_network.each_reaches_what_it_needs_and_no_more,
    rules_network.only_the_door_and_prometheus_come_in,
)


def faults(chart: Rendered) -> dict[str, list[str]]:
    """What is wrong, by the rule that says so. Empty when nothing is."""
    found = {rule.__name__: list(rule(chart)) for rule in RULES}
    return {name: said for name, said in found.items() if said}
