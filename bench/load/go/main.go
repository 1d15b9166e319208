// Load program on franz-go; see ../README.md for the command line and the record format.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const headBytes, tailBytes = 16, 4

var (
	bootstrap   = flag.String("bootstrap", "127.0.0.1:9092", "HOST:PORT")
	topic       = flag.String("topic", "bench", "topic, which must exist")
	mode        = flag.String("mode", "produce", "produce|consume|round-trip, and join|commit|fan-out|raw-produce|raw-fetch")
	records     = flag.Int("records", 100_000, "records")
	size        = flag.Int("size", 1024, "bytes of a value")
	compression = flag.String("compression", "none", "none|lz4")
	acks        = flag.String("acks", "all", "all|1|0")
	rate        = flag.Float64("rate", 0, "records a second, 0: no limit")
	runHex      = flag.String("run", "1", "run id, hexadecimal")
	timeout     = flag.Float64("timeout", 120, "seconds")
	spread      = flag.Bool("spread", false, "give records to the partitions in turn, not batch by batch")
	linger      = flag.Bool("linger", false, "linger as the client does by itself, also with --rate")

	members      = flag.Int("members", 100, "join: members of the group; fan-out: groups")
	leaving      = flag.Int("leaving", 5, "join: members that leave")
	heartbeat    = flag.Int("heartbeat", 500, "join, fan-out: milliseconds between signs of life")
	produceTo    = flag.String("produce-to", "", "fan-out: HOST:PORT for the producer, if not --bootstrap")
	connections  = flag.Int("connections", 16, "commit, raw-*: connections")
	batchRecords = flag.Int("batch-records", 1, "raw-produce: records of a request")
	idle         = flag.Float64("idle", 0, "raw-produce: seconds of doing nothing before")
	length       = flag.Float64("seconds", 3, "raw-*: how long; join: how long the group stays before one leaves")
	each         = flag.Bool("each", false, "raw-produce: local port and all latencies of every connection")
)

func main() {
	flag.Parse()
	run, err := strconv.ParseUint(*runHex, 16, 64)
	check(err, "--run")
	if *size < headBytes+tailBytes {
		fail("--size must be at least %d", headBytes+tailBytes)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(*timeout*float64(time.Second)))
	defer cancel()
	maker := newMaker(run, *size)
	others := map[string]func() report{
		"join":        func() report { return join(ctx, run) },
		"commit":      func() report { return commit(ctx, run) },
		"fan-out":     func() report { return fanOut(ctx, maker, run) },
		"raw-produce": func() report { return rawProduce(ctx, maker) },
		"raw-fetch":   func() report { return rawFetch(ctx) },
	}
	if other, known := others[*mode]; known {
		other().print()
		return
	}
	var outcome outcome
	start, cpuStart := time.Now(), cpuSeconds()
	switch *mode {
	case "produce":
		outcome = produce(ctx, maker)
	case "consume":
		outcome = consume(ctx, run)
	case "round-trip":
		outcome = roundTrip(ctx, maker)
	default:
		fail("no mode %q", *mode)
	}
	seconds := time.Since(start).Seconds()
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"client": "franz-go", "version": version(), "records": *records, "seconds": seconds,
		"p50Ms": percentile(outcome.latencies, .5), "p99Ms": percentile(outcome.latencies, .99),
		"checksum": outcome.checksum, "cpuSeconds": cpuSeconds() - cpuStart, "disorder": outcome.disorder,
		"idempotent": *acks == "all",
	}), "result")
}

type outcome struct {
	latencies []time.Duration
	checksum  uint32
	disorder  int
}

// A sample of the latencies at full speed: each costs memory and a clock reading.
const latencySamplesMax = 100_000

func produce(ctx context.Context, maker *maker) outcome {
	opts := producerOptions()
	if *rate > 0 && !*linger {
		opts = append(opts, kgo.ProducerLinger(0))
	}
	if *spread {
		opts = append(opts, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	}
	client, err := kgo.NewClient(opts...)
	check(err, "client")
	defer client.Close()

	var lock sync.Mutex
	var latencies []time.Duration
	buffers := sync.Pool{New: func() any { return &kgo.Record{Topic: *topic, Value: make([]byte, *size)} }}
	every := max(1, *records/latencySamplesMax)
	pace := newPace(*rate)
	var checksum uint32
	for sequence := range *records {
		pace.wait(sequence)
		record := buffers.Get().(*kgo.Record)
		checksum += maker.fill(record.Value, uint64(sequence))
		isTimed := sequence%every == 0
		var sent time.Time
		if isTimed {
			sent = time.Now()
		}
		client.Produce(ctx, record, func(record *kgo.Record, err error) {
			check(err, "produce")
			if isTimed {
				took := time.Since(sent)
				lock.Lock()
				latencies = append(latencies, took)
				lock.Unlock()
			}
			*record = kgo.Record{Topic: *topic, Value: record.Value}
			buffers.Put(record)
		})
	}
	check(client.Flush(ctx), "flush")
	return outcome{latencies: latencies, checksum: checksum}
}

func consume(ctx context.Context, run uint64) outcome {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(*bootstrap), kgo.ClientID("bench-franz-go"), kgo.ConsumeTopics(*topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	check(err, "client")
	defer client.Close()
	seen := newSeen(run, *records)
	for seen.count < *records {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			fail("timeout after %d of %d records", seen.count, *records)
		}
		fetches.EachError(func(_ string, partition int32, err error) { fail("fetch of partition %d: %v", partition, err) })
		fetches.EachRecord(func(record *kgo.Record) { seen.add(record.Partition, record.Value) })
	}
	return outcome{checksum: seen.checksum, disorder: seen.disorder}
}

func roundTrip(ctx context.Context, maker *maker) outcome {
	ends := endOffsets(ctx)
	from := map[int32]kgo.Offset{}
	for partition, offset := range ends {
		from[partition] = kgo.NewOffset().At(offset)
	}
	client, err := kgo.NewClient(append(producerOptions(), kgo.ProducerLinger(0),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{*topic: from}))...)
	check(err, "client")
	defer client.Close()

	var result outcome
	value := make([]byte, *size)
	for sequence := range *records {
		result.checksum += maker.fill(value, uint64(sequence))
		sent := time.Now()
		record := &kgo.Record{Topic: *topic, Partition: int32(sequence % len(ends)), Value: value}
		check(client.ProduceSync(ctx, record).FirstErr(), "produce")
		for arrived := 0; arrived == 0; {
			fetches := client.PollFetches(ctx)
			if ctx.Err() != nil {
				fail("timeout at record %d", sequence)
			}
			fetches.EachError(func(_ string, partition int32, err error) { fail("fetch of partition %d: %v", partition, err) })
			fetches.EachRecord(func(record *kgo.Record) {
				if arrived++; arrived > 1 || !bytes.Equal(record.Value, value) {
					fail("record %d came back wrong", sequence)
				}
			})
		}
		result.latencies = append(result.latencies, time.Since(sent))
	}
	return result
}

func producerOptions() []kgo.Opt {
	opts := []kgo.Opt{kgo.SeedBrokers(*bootstrap), kgo.ClientID("bench-franz-go"),
		// As many as fill batches of 1 MB on some partitions; the default of 10,000 limits 100-byte records.
		kgo.MaxBufferedRecords(50_000)}
	codec, known := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "lz4": kgo.Lz4Compression()}[*compression]
	if !known {
		fail("no compression %q", *compression)
	}
	opts = append(opts, kgo.ProducerBatchCompression(codec))
	switch *acks {
	case "all":
	case "1":
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	case "0":
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	default:
		fail("no acks %q", *acks)
	}
	return opts
}

// endOffsets gives the end of each partition of the topic.
func endOffsets(ctx context.Context) map[int32]int64 {
	client, err := kgo.NewClient(kgo.SeedBrokers(*bootstrap))
	check(err, "client")
	defer client.Close()
	name := kmsg.NewMetadataRequestTopic()
	name.Topic = topic
	ask := kmsg.NewPtrMetadataRequest()
	ask.Topics = append(ask.Topics, name)
	metadata, err := ask.RequestWith(ctx, client)
	check(err, "metadata")
	if len(metadata.Topics) != 1 || len(metadata.Topics[0].Partitions) == 0 {
		fail("no topic %s", *topic)
	}
	list := kmsg.NewPtrListOffsetsRequest()
	list.ReplicaID = -1
	wanted := kmsg.NewListOffsetsRequestTopic()
	wanted.Topic = *topic
	for _, partition := range metadata.Topics[0].Partitions {
		one := kmsg.NewListOffsetsRequestTopicPartition()
		one.Partition, one.Timestamp = partition.Partition, -1
		wanted.Partitions = append(wanted.Partitions, one)
	}
	list.Topics = append(list.Topics, wanted)
	ends := map[int32]int64{}
	for _, shard := range client.RequestSharded(ctx, list) {
		check(shard.Err, "list offsets")
		for _, partition := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions {
			if partition.ErrorCode != 0 {
				fail("list offsets of partition %d: error %d", partition.Partition, partition.ErrorCode)
			}
			ends[partition.Partition] = partition.Offset
		}
	}
	return ends
}

// maker makes record values.
type maker struct {
	run    uint64
	filler []byte
}

func newMaker(run uint64, size int) *maker {
	filler := make([]byte, 0, 1<<18+2*size)
	for state := uint32(1); len(filler) < 1<<18+2*size; {
		state = state*1_103_515_245 + 12_345
		filler = fmt.Appendf(filler, "%06x ", (state>>23&0xff)*65_793)
	}
	return &maker{run, filler}
}

// fill makes the whole of value record number sequence and gives its CRC.
func (m *maker) fill(value []byte, sequence uint64) uint32 {
	binary.BigEndian.PutUint64(value, m.run)
	binary.BigEndian.PutUint64(value[8:], sequence)
	end := len(value) - tailBytes
	at := int(sequence * 977 % uint64(len(m.filler)-end))
	copy(value[headBytes:end], m.filler[at:])
	crc := crc32.ChecksumIEEE(value[:end])
	binary.BigEndian.PutUint32(value[end:], crc)
	return crc
}

// seen checks consumed records.
type seen struct {
	run      uint64
	is       []bool
	last     map[int32]uint64
	count    int
	checksum uint32
	disorder int
}

func newSeen(run uint64, total int) *seen {
	return &seen{run: run, is: make([]bool, total), last: map[int32]uint64{}}
}

// add gives the record's sequence number.
func (s *seen) add(partition int32, value []byte) uint64 {
	end := len(value) - tailBytes
	if end < headBytes {
		fail("a value of %d bytes", len(value))
	}
	crc := crc32.ChecksumIEEE(value[:end])
	if crc != binary.BigEndian.Uint32(value[end:]) {
		fail("bad CRC in partition %d", partition)
	}
	run, sequence := binary.BigEndian.Uint64(value), binary.BigEndian.Uint64(value[8:])
	if run != s.run || sequence >= uint64(len(s.is)) {
		fail("record %d of run %x is not ours", sequence, run)
	}
	if s.is[sequence] {
		fail("record %d comes twice", sequence)
	}
	s.is[sequence] = true
	s.count++
	s.checksum += crc
	if last, any := s.last[partition]; any && sequence < last {
		s.disorder++
	} else {
		s.last[partition] = sequence
	}
	return sequence
}

// pace lets record number n pass n/rate seconds after the first.
type pace struct {
	rate  float64
	start time.Time
}

func newPace(rate float64) *pace { return &pace{rate, time.Now()} }

func (p *pace) wait(sequence int) {
	if p.rate <= 0 {
		return
	}
	if ahead := time.Until(p.start.Add(time.Duration(float64(sequence) / p.rate * float64(time.Second)))); ahead > 0 {
		time.Sleep(ahead)
	}
}

func percentile(latencies []time.Duration, part float64) any {
	if len(latencies) == 0 {
		return nil
	}
	slices.Sort(latencies)
	return float64(latencies[min(len(latencies)-1, int(part*float64(len(latencies))))]) / 1e6
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage), "getrusage")
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func version() string {
	build, _ := debug.ReadBuildInfo()
	for _, dependency := range build.Deps {
		if dependency.Path == "github.com/twmb/franz-go" {
			return dependency.Version
		}
	}
	return "unknown"
}

func check(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "franz-go: "+format+"\n", args...)
	os.Exit(1)
}
