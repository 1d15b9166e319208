"""A client program for the integration tests: librdkafka (confluent-kafka) behind JSON lines, see ../driver.ts."""

import json
import sys
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

BOOTSTRAP = sys.argv[-1]
COMMON = {"bootstrap.servers": BOOTSTRAP, "reconnect.backoff.max.ms": 500}
TIMEOUT = 40

admin = AdminClient(COMMON)
out = threading.Lock()
member = None
load = None


def write(reply):
    line = json.dumps(reply, separators=(",", ":"))
    with out:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def only(futures):
    """The result of the single future that an admin call gives."""
    (future,) = futures.values()
    return future.result(TIMEOUT)


def partitions_of(topic):
    # Asking for that topic alone would create it.
    found = admin.list_topics(timeout=TIMEOUT).topics.get(topic)
    if found is None or found.error:
        raise RuntimeError(f"topic {topic}: {found.error if found else 'unknown'}")
    return sorted(found.partitions)


def text(value):
    return None if value is None else value.decode()


def plain(message):
    return {
        "partition": message.partition(),
        "offset": message.offset(),
        "key": text(message.key()),
        "value": text(message.value()),
        "timestamp": message.timestamp()[1],
        "headers": {name: text(value) for name, value in message.headers() or []},
    }


def create(r):
    only(admin.create_topics([NewTopic(r["topic"], r["partitions"], 1)], operation_timeout=TIMEOUT))


def delete_topic(r):
    only(admin.delete_topics([r["topic"]], operation_timeout=TIMEOUT))


def produce(r):
    producer = Producer(
        {
            **COMMON,
            "compression.type": r["compression"],
            "enable.idempotence": r["idempotent"],
            "max.in.flight": 5 if r["idempotent"] else 1,
            "linger.ms": 5,
        }
    )
    base, errors = {}, []

    def delivered(error, message):
        if error:
            errors.append(str(error))
        else:
            at = message.partition()
            base[at] = min(message.offset(), base.get(at, message.offset()))

    for record in r["records"]:
        producer.produce(
            r["topic"],
            partition=record["partition"],
            key=record["key"],
            value=record["value"],
            timestamp=record.get("timestamp", 0),
            headers=record.get("headers"),
            on_delivery=delivered,
        )
    left = producer.flush(TIMEOUT)
    if errors or left:
        raise RuntimeError(f"{left} left, {errors}")
    return {"baseOffsets": base}


def poll(consumer, count):
    records, deadline = [], time.monotonic() + TIMEOUT
    while len(records) < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {len(records)} of {count} records")
        for message in consumer.consume(count - len(records), 0.5):
            if message.error():
                raise RuntimeError(str(message.error()))
            records.append(plain(message))
    return records


def reader(group, **more):
    return Consumer(
        {**COMMON, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False, **more}
    )


def consume(r):
    consumer = reader("no-group")
    consumer.assign([TopicPartition(r["topic"], p, OFFSET_BEGINNING) for p in partitions_of(r["topic"])])
    try:
        return {"records": poll(consumer, r["count"])}
    finally:
        consumer.close()


def group_consume(r):
    consumer = reader(r["group"])
    consumer.subscribe([r["topic"]])
    try:
        records = poll(consumer, r["count"])
        after = {}
        for record in records:
            after[record["partition"]] = record["offset"] + 1
        committed = consumer.commit(
            offsets=[TopicPartition(r["topic"], p, offset) for p, offset in after.items()], asynchronous=False
        )
        for at in committed:
            if at.error:
                raise RuntimeError(str(at.error))
        return {"records": records}
    finally:
        consumer.close()


def committed(r):
    found = only(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(r["group"])]))
    return {"offsets": {at.partition: at.offset for at in found.topic_partitions if at.topic == r["topic"]}}


def list_offsets(topic, spec):
    futures = admin.list_offsets({TopicPartition(topic, p): spec for p in partitions_of(topic)})
    return {at.partition: future.result(TIMEOUT).offset for at, future in futures.items()}


def offsets(r):
    return {
        "earliest": list_offsets(r["topic"], OffsetSpec.earliest()),
        "latest": list_offsets(r["topic"], OffsetSpec.latest()),
    }


def offsets_for_time(r):
    return {"offsets": list_offsets(r["topic"], OffsetSpec.for_timestamp(r["timestamp"]))}


def list_groups(_):
    result = admin.list_consumer_groups().result(TIMEOUT)
    if result.errors:
        raise RuntimeError(str(result.errors))
    return {"groups": [group.group_id for group in result.valid]}


def describe_group(r):
    group = only(admin.describe_consumer_groups([r["group"]]))
    return {"state": group.state.name, "members": len(group.members)}


def delete_group(r):
    only(admin.delete_consumer_groups([r["group"]]))


class Member:
    def __init__(self, r):
        self.leaving = threading.Event()
        self.assigned = set()
        self.consumer = Consumer(
            {
                **COMMON,
                "group.id": r["group"],
                "auto.offset.reset": "earliest",
                "session.timeout.ms": r["sessionTimeoutMs"],
                "heartbeat.interval.ms": 500,
                "max.poll.interval.ms": max(10000, r["sessionTimeoutMs"]),
                "auto.commit.interval.ms": 500,
                "partition.assignment.strategy": r.get("assignor") or "range",
            }
        )
        self.consumer.subscribe([r["topic"]], on_assign=self.gained, on_revoke=self.lost, on_lost=self.lost)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def gained(self, _, partitions):
        self.assigned |= {at.partition for at in partitions}
        write({"event": "assigned", "partitions": sorted(self.assigned)})

    def lost(self, _, partitions):
        self.assigned -= {at.partition for at in partitions}
        write({"event": "assigned", "partitions": sorted(self.assigned)})

    def run(self):
        while not self.leaving.is_set():
            records = []
            for message in self.consumer.consume(500, 0.1):
                if message.error():
                    print(message.error(), file=sys.stderr)
                else:
                    records.append(plain(message))
            if records:
                write({"event": "records", "records": records})
        self.consumer.close()

    def leave(self):
        self.leaving.set()
        self.thread.join()


def join(r):
    global member
    member = Member(r)


def leave(_):
    global member
    member.leave()
    member = None


class Load:
    """Sends "partition:number" records, padded to valueBytes, to all partitions in turn."""

    def __init__(self, r):
        self.r = r
        self.stopping = threading.Event()
        self.partitions = {p: {"sent": 0, "offsets": []} for p in range(r["partitions"])}
        self.errors = []
        self.producer = Producer(
            {
                **COMMON,
                "enable.idempotence": True,
                "linger.ms": 5,
                "retry.backoff.ms": 50,
                "retry.backoff.max.ms": 200,
                "message.timeout.ms": 120000,
            }
        )
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping.wait(0.01):
            for i in range(self.r["recordsPerSecond"] // 100):
                self.send(i % self.r["partitions"])
            self.producer.poll(0)

    def send(self, partition):
        at = self.partitions[partition]
        n = at["sent"]
        at["sent"] += 1
        at["offsets"].append(-1)

        def delivered(error, message):
            if not error:
                at["offsets"][n] = message.offset() if message.offset() >= 0 else -2
            elif len(self.errors) < 20:
                self.errors.append(f"{partition}:{n}: {error}")

        value = f"{partition}:{n}:".ljust(self.r["valueBytes"], "x")
        while True:
            try:
                self.producer.produce(self.r["topic"], partition=partition, value=value, on_delivery=delivered)
                return
            except BufferError:
                self.producer.poll(0.05)

    def stop(self):
        self.stopping.set()
        self.thread.join()
        left = self.producer.flush(60)
        if left:
            raise RuntimeError(f"flush: {left} records left")
        return {"partitions": self.partitions, "errors": self.errors}


def load_start(r):
    global load
    load = Load(r)


VERBS = {
    "create": create,
    "deleteTopic": delete_topic,
    "produce": produce,
    "consume": consume,
    "groupConsume": group_consume,
    "committed": committed,
    "offsets": offsets,
    "offsetsForTime": offsets_for_time,
    "listGroups": list_groups,
    "describeGroup": describe_group,
    "deleteGroup": delete_group,
    "member": join,
    "leave": leave,
    "load": load_start,
    "loadStop": lambda _: load.stop(),
}

for line in sys.stdin:
    request = json.loads(line)
    try:
        verb = VERBS.get(request["verb"])
        if verb is None:
            raise RuntimeError(f"librdkafka program: no verb {request['verb']}")
        write({"id": request["id"], "result": verb(request)})
    except Exception as error:  # every failure is an answer to the test
        write({"id": request["id"], "error": f"{type(error).__name__}: {error}"})

if member:
    member.leave()
