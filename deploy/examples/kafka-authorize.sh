#!/bin/sh
# Made by `python -m deploy.helm.generate` from contracts/topics.py, deploy/local/principals.py and the services' settings.
# As the cluster's super user: BOOTSTRAP=host:9093 CONFIG=admin.properties REPLICAS=3 deploy/examples/kafka-authorize.sh
# Again and again without harm. Users and their passwords (SCRAM-SHA-512) are made apart, where your Kafka keeps them.
set -eu
at="--bootstrap-server $BOOTSTRAP --command-config $CONFIG"
kafka-topics.sh $at --create --if-not-exists --topic identity.people --partitions 4 --replication-factor "${REPLICAS:-3}" --config cleanup.policy=delete --config min.insync.replicas=2 --config retention.ms=2592000000 --config unclean.leader.election.enable=false
kafka-topics.sh $at --create --if-not-exists --topic identity.organizations --partitions 1 --replication-factor "${REPLICAS:-3}" --config cleanup.policy=delete --config min.insync.replicas=2 --config retention.ms=2592000000 --config unclean.leader.election.enable=false
kafka-topics.sh $at --create --if-not-exists --topic consent.requests --partitions 4 --replication-factor "${REPLICAS:-3}" --config cleanup.policy=delete --config min.insync.replicas=2 --config retention.ms=2592000000 --config unclean.leader.election.enable=false
kafka-topics.sh $at --create --if-not-exists --topic records.transcripts --partitions 4 --replication-factor "${REPLICAS:-3}" --config cleanup.policy=delete --config min.insync.replicas=2 --config retention.ms=2592000000 --config unclean.leader.election.enable=false
kafka-topics.sh $at --create --if-not-exists --topic records.releases --partitions 4 --replication-factor "${REPLICAS:-3}" --config cleanup.policy=delete --config min.insync.replicas=2 --config retention.ms=2592000000 --config unclean.leader.election.enable=false
kafka-topics.sh $at --create --if-not-exists --topic delivery.deliveries --partitions 4 --replication-factor "${REPLICAS:-3}" --config cleanup.policy=delete --config min.insync.replicas=2 --config retention.ms=2592000000 --config unclean.leader.election.enable=false
kafka-topics.sh $at --create --if-not-exists --topic notify.messages --partitions 1 --replication-factor "${REPLICAS:-3}" --config cleanup.policy=delete --config min.insync.replicas=2 --config retention.ms=2592000000 --config unclean.leader.election.enable=false
kafka-acls.sh $at --add --allow-principal User:identity-worker --allow-host '*' --operation Read --group placet-identity
kafka-acls.sh $at --add --allow-principal User:identity-relay --allow-host '*' --operation Describe --operation Write --topic identity.organizations
kafka-acls.sh $at --add --allow-principal User:identity-relay --allow-host '*' --operation Describe --operation Write --topic identity.people
kafka-acls.sh $at --add --allow-principal User:consent-worker --allow-host '*' --operation Read --group placet-consent
kafka-acls.sh $at --add --allow-principal User:consent-worker --allow-host '*' --operation Describe --operation Read --topic delivery.deliveries
kafka-acls.sh $at --add --allow-principal User:consent-worker --allow-host '*' --operation Describe --operation Read --topic identity.organizations
kafka-acls.sh $at --add --allow-principal User:consent-worker --allow-host '*' --operation Describe --operation Read --topic identity.people
kafka-acls.sh $at --add --allow-principal User:consent-worker --allow-host '*' --operation Describe --operation Read --topic records.releases
kafka-acls.sh $at --add --allow-principal User:consent-worker --allow-host '*' --operation Describe --operation Read --topic records.transcripts
kafka-acls.sh $at --add --allow-principal User:consent-relay --allow-host '*' --operation Describe --operation Write --topic consent.requests
kafka-acls.sh $at --add --allow-principal User:records-worker --allow-host '*' --operation Read --group placet-records
kafka-acls.sh $at --add --allow-principal User:records-worker --allow-host '*' --operation Describe --operation Read --topic consent.requests
kafka-acls.sh $at --add --allow-principal User:records-worker --allow-host '*' --operation Describe --operation Read --topic delivery.deliveries
kafka-acls.sh $at --add --allow-principal User:records-worker --allow-host '*' --operation Describe --operation Read --topic identity.organizations
kafka-acls.sh $at --add --allow-principal User:records-worker --allow-host '*' --operation Describe --operation Read --topic identity.people
kafka-acls.sh $at --add --allow-principal User:records-relay --allow-host '*' --operation Describe --operation Write --topic records.releases
kafka-acls.sh $at --add --allow-principal User:records-relay --allow-host '*' --operation Describe --operation Write --topic records.transcripts
kafka-acls.sh $at --add --allow-principal User:delivery-worker --allow-host '*' --operation Read --group placet-delivery
kafka-acls.sh $at --add --allow-principal User:delivery-worker --allow-host '*' --operation Describe --operation Read --topic consent.requests
kafka-acls.sh $at --add --allow-principal User:delivery-worker --allow-host '*' --operation Describe --operation Read --topic identity.organizations
kafka-acls.sh $at --add --allow-principal User:delivery-worker --allow-host '*' --operation Describe --operation Read --topic identity.people
kafka-acls.sh $at --add --allow-principal User:delivery-worker --allow-host '*' --operation Describe --operation Read --topic records.releases
kafka-acls.sh $at --add --allow-principal User:delivery-relay --allow-host '*' --operation Describe --operation Write --topic delivery.deliveries
kafka-acls.sh $at --add --allow-principal User:notify-worker --allow-host '*' --operation Read --group placet-notify
kafka-acls.sh $at --add --allow-principal User:notify-worker --allow-host '*' --operation Describe --operation Read --topic consent.requests
kafka-acls.sh $at --add --allow-principal User:notify-worker --allow-host '*' --operation Describe --operation Read --topic delivery.deliveries
kafka-acls.sh $at --add --allow-principal User:notify-worker --allow-host '*' --operation Describe --operation Read --topic identity.organizations
kafka-acls.sh $at --add --allow-principal User:notify-worker --allow-host '*' --operation Describe --operation Read --topic identity.people
kafka-acls.sh $at --add --allow-principal User:notify-worker --allow-host '*' --operation Describe --operation Read --topic records.releases
kafka-acls.sh $at --add --allow-principal User:notify-worker --allow-host '*' --operation Describe --operation Read --topic records.transcripts
kafka-acls.sh $at --add --allow-principal User:notify-relay --allow-host '*' --operation Describe --operation Write --topic notify.messages
kafka-acls.sh $at --add --allow-principal User:operator --allow-host '*' --operation Describe --cluster
kafka-acls.sh $at --add --allow-principal User:operator --allow-host '*' --operation Describe --group placet-consent
kafka-acls.sh $at --add --allow-principal User:operator --allow-host '*' --operation Describe --group placet-delivery
kafka-acls.sh $at --add --allow-principal User:operator --allow-host '*' --operation Describe --group placet-identity
kafka-acls.sh $at --add --allow-principal User:operator --allow-host '*' --operation Describe --group placet-notify
kafka-acls.sh $at --add --allow-principal User:operator --allow-host '*' --operation Describe --group placet-records
kafka-acls.sh $at --add --allow-principal User:operator --allow-host '*' --operation Describe --operation DescribeConfigs --operation Read --topic consent.requests
kafka-acls.sh $at --add --allow-principal User:operator --allow-host '*' --operation Describe --operation DescribeConfigs --operation Read --topic delivery.deliveries
kafka-acls.sh $at --add --allow-principal User:operator --allow-host '*' --operation Describe --operation DescribeConfigs --operation Read --topic identity.organizations
kafka-acls.sh $at --add --allow-principal User:operator --allow-host '*' --operation Describe --operation DescribeConfigs --operation Read --topic identity.people
kafka-acls.sh $at --add --allow-principal User:operator --allow-host '*' --operation Describe --operation DescribeConfigs --operation Read --topic notify.messages
kafka-acls.sh $at --add --allow-principal User:operator --allow-host '*' --operation Describe --operation DescribeConfigs --operation Read --topic records.releases
kafka-acls.sh $at --add --allow-principal User:operator --allow-host '*' --operation Describe --operation DescribeConfigs --operation Read --topic records.transcripts
