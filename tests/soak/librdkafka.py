"""A client of the soak test: librdkafka (confluent-kafka) in one role until standard input says stop, see client.ts.

    librdkafka.py BOOTSTRAP '{"role": "produce" | "read" | "member" | "churn" | "ask", ...}'

Events go to standard output, one JSON object a line; what librdkafka has to say goes to standard error.
"""

import json
import sys
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

BOOTSTRAP, ROLE = sys.argv[1], json.loads(sys.argv[2])
NAME = ROLE["name"]
# A stopped instance keeps its connections and says nothing: clients should notice within seconds.
COMMON = {
    "bootstrap.servers": BOOTSTRAP,
    "socket.timeout.ms": 10000,
    "socket.connection.setup.timeout.ms": 5000,
    "reconnect.backoff.max.ms": 1000,
    "topic.metadata.refresh.interval.ms": 10000,
    "log_level": 4,
}
TIMEOUT = 20

stopping = threading.Event()
out = threading.Lock()


def tell(event, **more):
    line = json.dumps({"event": event, **more}, separators=(",", ":"))
    with out:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def note(*words):
    print(f"{time.time():.3f}", *words, file=sys.stderr, flush=True)


def now_ms():
    return int(time.time() * 1000)


def only(futures):
    """The result of the single future that an admin call gives."""
    (future,) = futures.values()
    return future.result(TIMEOUT)


def shown(value, size):
    """A record's text without its filler; with all of it if the filler is not what was sent."""
    text = value.decode() if value is not None else ""
    bare = text.rstrip("x")
    return bare if len(text) == max(size, len(bare)) else text


class Producing:
    """Sends NAME.partition.sequence: records to several topics, and tells what becomes of each."""

    def __init__(self):
        self.acked, self.failed = [], []
        self.sent = {topic["name"]: [0] * topic["partitions"] for topic in ROLE["topics"]}
        self.producer = Producer(
            {
                **COMMON,
                "enable.idempotence": True,
                "linger.ms": 250,
                "retry.backoff.ms": 50,
                "retry.backoff.max.ms": 500,
                "request.timeout.ms": 10000,
                # However long the cluster is away: what is not acknowledged is sent again.
                "message.timeout.ms": 900000,
                "queue.buffering.max.messages": 500000,
            }
        )

    def run(self):
        told = begun = time.monotonic()
        due = {topic["name"]: 0.0 for topic in ROLE["topics"]}
        while not stopping.wait(0.02):
            now = time.monotonic()
            for topic in ROLE["topics"]:
                # What an unavailable cluster has not taken is not added to without end.
                if len(self.producer) > ROLE["waitingMax"]:
                    due[topic["name"]] = (now - begun) * topic["perSecond"]
                while due[topic["name"]] < (now - begun) * topic["perSecond"]:
                    self.send(topic, int(due[topic["name"]]) % topic["partitions"])
                    due[topic["name"]] += 1
            self.producer.poll(0)
            if now - told > 0.25:
                told = now
                self.tell()
        left = self.producer.flush(ROLE["flushSeconds"])
        self.tell()
        tell("sent", sent=self.sent, left=left)

    def send(self, topic, partition):
        name, size, keys = topic["name"], topic["bytes"], topic["keys"]
        sequence = self.sent[name][partition]
        self.sent[name][partition] += 1
        begun = time.monotonic()

        def delivered(error, message):
            if error:
                self.failed.append([name, partition, sequence, str(error)])
            else:
                ms = int((time.monotonic() - begun) * 1000)
                offset = message.offset()
                self.acked.append([name, partition, sequence, -1 if offset is None else offset, ms])

        key = f"{NAME}-{sequence % keys}" if keys else None
        value = f"{NAME}.{partition}.{sequence}:".ljust(size, "x")
        self.producer.produce(name, partition=partition, key=key, value=value, on_delivery=delivered)

    def tell(self):
        if self.acked or self.failed:
            tell("acked", records=self.acked, failed=self.failed)
            self.acked, self.failed = [], []


def consumer_of(**more):
    return Consumer({**COMMON, "auto.offset.reset": "earliest", "enable.auto.commit": False, **more})


def drain(consumer, most=1000):
    """Records that are there, one by one, so that a rebalance is seen between those before and those after it."""
    message = consumer.poll(0.2)
    for _ in range(most):
        if message is None:
            return
        if message.error():
            note("consumer:", message.error())
        else:
            yield message
        message = consumer.poll(0)
    if message is not None and not message.error():
        yield message


def ends_of(admin, topic, partitions, spec):
    futures = admin.list_offsets({TopicPartition(topic, p): spec for p in range(partitions)}, request_timeout=TIMEOUT)
    found = {at.partition: future.result(TIMEOUT).offset for at, future in futures.items()}
    return [found[p] for p in range(partitions)]


def insist(what, call):
    """Tries again until it works or the role is to stop."""
    while not stopping.is_set():
        try:
            return call()
        except (KafkaException, TimeoutError, OSError) as error:
            note(what, error)
            stopping.wait(0.5)
    return None


def read_pass(number, topic, earliest, latest):
    """One reading from the start to the ends given, or for ever without them."""
    consumer = consumer_of(**{"group.id": "nobody"})
    places = [TopicPartition(topic["name"], p, OFFSET_BEGINNING) for p in range(topic["partitions"])]
    consumer.assign(places)
    at = list(earliest) if earliest else [0] * topic["partitions"]
    read = 0
    try:
        while not stopping.is_set() and not (latest and all(a >= b for a, b in zip(at, latest))):
            records = []
            for message in drain(consumer):
                at[message.partition()] = message.offset() + 1
                # What was appended after the pass began belongs to the next one.
                if not latest or message.offset() < latest[message.partition()]:
                    records.append([message.partition(), message.offset(), shown(message.value(), topic["bytes"])])
            # With compaction the last offsets may be gone: then the position tells.
            if latest and not records:
                for place in consumer.position(places):
                    at[place.partition] = max(at[place.partition], place.offset)
            if records:
                read += len(records)
                tell("read", topic=topic["name"], number=number, records=records)
    finally:
        consumer.close()
    return read


def read():
    """Reads a topic from the start and goes on at its tail; with restSeconds, again and again up to its end."""
    topic = ROLE["topic"]
    if "restSeconds" not in ROLE:
        read_pass(0, topic, None, None)
        return
    admin, number = AdminClient(COMMON), 0
    while not stopping.is_set():
        latest = insist("ends:", lambda: ends_of(admin, topic["name"], topic["partitions"], OffsetSpec.latest()))
        earliest = insist("starts:", lambda: ends_of(admin, topic["name"], topic["partitions"], OffsetSpec.earliest()))
        if latest and earliest:
            read_pass(number, topic, earliest, latest)
            number += 1
            tell("pass", topic=topic["name"])
        if ROLE["restSeconds"] == 0:
            # Retention may have removed records before they were read.
            earliest = insist("starts:", lambda: ends_of(admin, topic["name"], topic["partitions"], OffsetSpec.earliest()))
            tell("whole", topic=topic["name"], earliest=earliest, latest=latest)
            return
        stopping.wait(ROLE["restSeconds"])


class Member:
    """A group member that commits what it was given, and tells what was acknowledged to it."""

    def __init__(self):
        self.topic = ROLE["topic"]
        self.next = {}
        self.consumer = consumer_of(
            **{
                "group.id": ROLE["group"],
                "session.timeout.ms": 6000,
                "heartbeat.interval.ms": 1000,
                "max.poll.interval.ms": 60000,
                "partition.assignment.strategy": "range",
            }
        )

    def gained(self, consumer, partitions):
        self.next = {}
        while not stopping.is_set():
            began = now_ms()
            try:
                found = consumer.committed(partitions, timeout=10)
                for at in found:
                    if at.error:
                        raise KafkaException(at.error)
                break
            except KafkaException as error:
                note("committed:", error)
                if error.args[0].code() in STALE:
                    found = []
                    break
        else:
            return
        if found:
            tell("told", group=ROLE["group"], beganMs=began, offsets=[[at.partition, max(at.offset, -1)] for at in found])
        for at in found:
            if at.offset < 0:
                at.offset = OFFSET_BEGINNING
        consumer.assign(found or partitions)

    def lost(self, _, partitions):
        self.next = {}

    def revoked(self, consumer, partitions):
        self.commit()
        self.next = {}

    def commit(self):
        if not self.next:
            return
        offsets, self.next = self.next, {}
        began = now_ms()
        try:
            done = self.consumer.commit(
                offsets=[TopicPartition(self.topic["name"], p, o) for p, o in offsets.items()], asynchronous=False
            )
            acked = [[at.partition, at.offset] for at in done if not at.error]
            tell("committed", group=ROLE["group"], beganMs=began, endedMs=now_ms(), offsets=acked)
        except KafkaException as error:
            # Not acknowledged: nothing was promised.
            note("commit:", error)

    def run(self):
        self.consumer.subscribe(
            [self.topic["name"]], on_assign=self.gained, on_revoke=self.revoked, on_lost=self.lost
        )
        while not stopping.is_set():
            records = []
            for message in drain(self.consumer, 500):
                self.next[message.partition()] = message.offset() + 1
                records.append([message.partition(), message.offset(), shown(message.value(), self.topic["bytes"])])
            if records:
                tell("given", group=ROLE["group"], topic=self.topic["name"], records=records)
                self.commit()
        self.commit()
        self.consumer.close()


# Errors of a member whose generation is over: it will rejoin.
STALE = {16, 22, 25, 27}


def ask():
    """Asks for the committed offsets of groups again and again, and how the groups are."""
    admin = AdminClient(COMMON)
    while True:
        for group, topic in ROLE["groups"].items():
            began = now_ms()
            try:
                found = only(
                    admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT)
                )
                offsets = [[at.partition, at.offset] for at in found.topic_partitions if at.topic == topic]
                tell("told", group=group, beganMs=began, offsets=offsets)
            except (KafkaException, TimeoutError) as error:
                note("ask:", error)
        if ROLE["once"] or stopping.wait(1):
            return


def churn():
    """Makes a topic, fills it, reads it back, deletes it, and makes one of the same name: it must begin empty."""
    admin, round_number, name = AdminClient(COMMON), 0, ROLE["topic"]
    while not stopping.is_set():
        round_number += 1
        try:
            # There may be one of a round that failed, or of a churner that died.
            until("delete:", lambda: admin.delete_topics([name], request_timeout=TIMEOUT), 3)
            churn_once(admin, name, round_number)
        except Stopped:
            return
        except (KafkaException, TimeoutError) as error:
            note(f"round {round_number}:", error)
            stopping.wait(0.5)


class Stopped(Exception):
    pass


def until(what, call, wanted):
    """Repeats an admin call until it succeeds or fails with the code that a first success would leave behind."""
    while not stopping.is_set():
        try:
            only(call())
            return
        except KafkaException as error:
            if error.args[0].code() == wanted:
                return
            note(what, error)
        except TimeoutError as error:
            note(what, error)
        stopping.wait(0.3)
    raise Stopped


def churn_once(admin, name, number):
    until("create:", lambda: admin.create_topics([NewTopic(name, 2, 1)], request_timeout=TIMEOUT), 36)
    producer = Producer({**COMMON, "enable.idempotence": True, "linger.ms": 20, "message.timeout.ms": 120000})
    acked, failures = {0: {}, 1: {}}, []

    def delivered(error, message):
        if error:
            failures.append(str(error))
        elif message.offset() is not None and message.offset() >= 0:
            acked[message.partition()][message.offset()] = message.value().decode()

    for i in range(40):
        producer.produce(name, partition=i % 2, value=f"{number}.{i}", on_delivery=delivered)
    while len(producer) and not stopping.is_set():
        producer.flush(1)
    if stopping.is_set():
        raise Stopped
    if failures:
        note(f"round {number}: {failures[0]}")
    else:
        compare(name, number, acked)
    until("delete:", lambda: admin.delete_topics([name], request_timeout=TIMEOUT), 3)
    tell("round", records=sum(map(len, acked.values())))


def compare(name, number, acked):
    consumer = consumer_of(**{"group.id": "nobody"})
    consumer.assign([TopicPartition(name, p, OFFSET_BEGINNING) for p in (0, 1)])
    seen = {0: {}, 1: {}}
    try:
        while not stopping.is_set() and any(len(seen[p]) < 20 for p in (0, 1)):
            for message in drain(consumer):
                seen[message.partition()][message.offset()] = message.value().decode()
    finally:
        consumer.close()
    if stopping.is_set():
        raise Stopped
    for p in (0, 1):
        sent = [f"{number}.{i}" for i in range(40) if i % 2 == p]
        there = [seen[p].get(offset) for offset in range(max(seen[p]) + 1)]
        if there != sent or any(there[offset] != value for offset, value in acked[p].items()):
            tell("problem", kind="topic churn", text=f"{name} {p}, round {number}: sent {sent}, acked {acked[p]}, is {there}")


def listen():
    for line in sys.stdin:
        if line.strip() == "stop":
            break
    stopping.set()


threading.Thread(target=listen, daemon=True).start()
{
    "produce": lambda: Producing().run(),
    "read": read,
    "member": lambda: Member().run(),
    "ask": ask,
    "churn": churn,
}[ROLE["role"]]()
tell("done")
