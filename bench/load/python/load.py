"""Load program on librdkafka (confluent-kafka); see ../README.md for the command line and the record format."""

import argparse
import importlib.metadata
import json
import os
import resource
import struct
import sys
import time
import zlib

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

HEAD = struct.Struct(">QQ")
TAIL_BYTES = 4


def main():
    a = arguments()
    maker = Maker(a.run, a.size)
    start, cpu_start = time.perf_counter(), cpu_seconds()
    outcome = {"produce": produce, "consume": consume, "round-trip": round_trip}[a.mode](a, maker)
    seconds = time.perf_counter() - start
    latencies = sorted(outcome["latencies"])
    print(json.dumps({
        "client": "librdkafka", "version": f"{confluent_kafka.libversion()[0]} (confluent-kafka {importlib.metadata.version('confluent-kafka')})",
        "records": a.records, "seconds": seconds,
        "p50Ms": percentile(latencies, 0.5), "p99Ms": percentile(latencies, 0.99),
        "checksum": outcome["checksum"] % 2**32, "cpuSeconds": cpu_seconds() - cpu_start,
        "disorder": outcome.get("disorder", 0), "idempotent": False,
    }))


def produce(a, maker):
    # Its own default of 1 GB and 100,000 messages, but not more than some 128 MB waiting.
    settings = {"queue.buffering.max.kbytes": 131072} | ({"linger.ms": 0} if a.rate and not a.linger else {})
    producer = Producer(producer_settings(a) | settings)
    latencies, checksum, clock = [], 0, time.perf_counter
    every = max(1, a.records // 10000)  # a timed record costs more than a record
    begun = clock()

    def acknowledged(error, _):
        if error:
            fail(f"produce: {error}")

    def timed(sent):
        def done(error, _):
            if error:
                fail(f"produce: {error}")
            latencies.append((clock() - sent) * 1000)
        return done

    for sequence in range(a.records):
        if a.seconds and clock() - begun > a.seconds:
            a.records = sequence
            break
        if a.rate:
            while (ahead := begun + sequence / a.rate - clock()) > 0:
                producer.poll(ahead)
        value, crc = maker.value(sequence)
        checksum += crc
        done = timed(clock()) if sequence >= a.skip and sequence % every == 0 else acknowledged
        while True:
            try:
                producer.produce(a.topic, value, on_delivery=done)
                break
            except BufferError:
                producer.poll(0.01)
                a.hurry(f"at record {sequence}")
        if sequence % 128 == 0 or a.rate:
            producer.poll(0)
    while producer.flush(1):
        a.hurry("in flush")
    return {"latencies": latencies, "checksum": checksum}


def consume(a, _):
    consumer = Consumer(consumer_settings(a))
    consumer.assign([TopicPartition(a.topic, p, 0) for p in partitions(consumer, a.topic)])
    seen, last, checksum, count, disorder = bytearray(a.records), {}, 0, 0, 0
    while count < a.records:
        for message in consumer.consume(1000, 0.1):
            if message.error():
                fail(f"fetch: {message.error()}")
            value, partition = message.value(), message.partition()
            if len(value) < HEAD.size + TAIL_BYTES:
                fail(f"a value of {len(value)} bytes")
            crc = zlib.crc32(memoryview(value)[:-TAIL_BYTES])
            if crc != int.from_bytes(value[-TAIL_BYTES:], "big"):
                fail(f"bad CRC in partition {partition}")
            run, sequence = HEAD.unpack_from(value)
            if run != a.run or sequence >= a.records:
                fail(f"record {sequence} of run {run:x} is not ours")
            if seen[sequence]:
                fail(f"record {sequence} comes twice")
            seen[sequence] = 1
            count += 1
            checksum += crc
            if sequence < last.get(partition, 0):
                disorder += 1
            else:
                last[partition] = sequence
        a.hurry(f"after {count} of {a.records} records")
    consumer.close()
    return {"latencies": [], "checksum": checksum, "disorder": disorder}


def round_trip(a, maker):
    producer, consumer = Producer(producer_settings(a) | {"linger.ms": 0}), Consumer(consumer_settings(a))
    numbers = partitions(consumer, a.topic)
    ends = [consumer.get_watermark_offsets(TopicPartition(a.topic, p), timeout=20)[1] for p in numbers]
    consumer.assign([TopicPartition(a.topic, p, end) for p, end in zip(numbers, ends)])
    latencies, checksum = [], 0

    def acknowledged(error, _):
        if error:
            fail(f"produce: {error}")

    for sequence in range(a.records):
        value, crc = maker.value(sequence)
        checksum += crc
        sent = time.perf_counter()
        producer.produce(a.topic, value, partition=numbers[sequence % len(numbers)], on_delivery=acknowledged)
        while producer.flush(1):
            a.hurry(f"at record {sequence}")
        while (message := consumer.poll(1)) is None:
            a.hurry(f"at record {sequence}")
        if message.error() or message.value() != value:
            fail(f"record {sequence} came back wrong: {message.error()}")
        latencies.append((time.perf_counter() - sent) * 1000)
    consumer.close()
    return {"latencies": latencies, "checksum": checksum}


class Maker:
    """Makes record values."""

    def __init__(self, run, size):
        self.run, self.body = run, size - HEAD.size - TAIL_BYTES
        words = [b"%06x " % (i * 65793) for i in range(256)]
        state, filler = 1, []
        for _ in range(2**15 + size):
            state = (state * 1103515245 + 12345) % 2**32
            filler.append(words[state >> 23 & 0xFF])
        self.filler = b"".join(filler)
        self.span = len(self.filler) - size

    def value(self, sequence):
        at = sequence * 977 % self.span
        body = HEAD.pack(self.run, sequence) + self.filler[at : at + self.body]
        crc = zlib.crc32(body)
        return body + crc.to_bytes(TAIL_BYTES, "big"), crc


def producer_settings(a):
    return {"bootstrap.servers": a.bootstrap, "client.id": "bench-librdkafka", "acks": a.acks,
            "compression.type": a.compression}


def consumer_settings(a):
    # Without these it rests for up to a second whenever 100,000 records wait for the program.
    return {"bootstrap.servers": a.bootstrap, "client.id": "bench-librdkafka", "group.id": "bench-librdkafka",
            "enable.auto.commit": False, "auto.offset.reset": "earliest",
            "queued.min.messages": 1000000, "fetch.queue.backoff.ms": 5}


def partitions(consumer, topic):
    # Of all topics: to ask for one by name could create it.
    found = consumer.list_topics(timeout=20).topics.get(topic)
    if found is None:
        fail(f"no topic {topic}")
    return sorted(found.partitions)


def percentile(ordered, part):
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else None


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def fail(reason):
    print(f"librdkafka: {reason}", file=sys.stderr, flush=True)
    os._exit(1)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--topic", default="bench")
    parser.add_argument("--mode", choices=["produce", "consume", "round-trip"], default="produce")
    parser.add_argument("--records", type=int, default=100000)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--compression", choices=["none", "lz4"], default="none")
    parser.add_argument("--acks", choices=["all", "1", "0"], default="all")
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--linger", type=lambda text: text == "true", default=False)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--run", type=lambda text: int(text, 16), default=1)
    parser.add_argument("--timeout", type=float, default=120)
    a = parser.parse_args()
    if a.size < HEAD.size + TAIL_BYTES:
        fail(f"--size must be at least {HEAD.size + TAIL_BYTES}")
    deadline = time.monotonic() + a.timeout

    def hurry(where):
        if time.monotonic() > deadline:
            fail(f"timeout {where}")

    a.hurry = hurry
    return a


try:
    main()
except KafkaException as error:
    fail(error)
