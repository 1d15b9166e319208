package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// rawConnection speaks the protocol without a client library: one request at a time, bytes made once.
// It costs this program next to nothing, so that the server is what is measured.
type rawConnection struct {
	socket      net.Conn
	reader      *bufio.Reader
	correlation uint32
	answer      []byte
}

func openRaw() *rawConnection {
	socket, err := net.DialTimeout("tcp", *bootstrap, 30*time.Second)
	check(err, "connect")
	c := &rawConnection{socket: socket, reader: bufio.NewReaderSize(socket, 16<<10)}
	versions := kmsg.NewPtrApiVersionsRequest()
	versions.ClientSoftwareName, versions.ClientSoftwareVersion = "bench", "1"
	c.ask(encoded(versions, 3))
	return c
}

// encoded gives a request with its length and header; ask puts the correlation id in.
func encoded(request kmsg.Request, version int16) []byte {
	request.SetVersion(version)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("bench-raw")).AppendRequest(nil, request, 0)
}

// ask sends a request and gives its answer's bytes after the correlation id, which stay until the next one.
func (c *rawConnection) ask(request []byte) []byte {
	c.correlation++
	// Behind the length (4), the API's key (2) and its version (2).
	binary.BigEndian.PutUint32(request[8:], c.correlation)
	_, err := c.socket.Write(request)
	check(err, "send")
	var head [8]byte
	_, err = io.ReadFull(c.reader, head[:])
	check(err, "receive")
	if got := binary.BigEndian.Uint32(head[4:]); got != c.correlation {
		fail("answer %d to request %d", got, c.correlation)
	}
	length := int(binary.BigEndian.Uint32(head[:])) - 4
	if cap(c.answer) < length {
		c.answer = make([]byte, length)
	}
	c.answer = c.answer[:length]
	_, err = io.ReadFull(c.reader, c.answer)
	check(err, "receive")
	return c.answer
}

const produceVersion, fetchVersion = 8, 11

// produceRequest makes a request that appends one batch to one partition.
func produceRequest(maker *maker, partition int) []byte {
	batch := kmsg.RecordBatch{Magic: 2, PartitionLeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		LastOffsetDelta: int32(*batchRecords - 1), NumRecords: int32(*batchRecords),
		FirstTimestamp: time.Now().UnixMilli(), MaxTimestamp: time.Now().UnixMilli()}
	for i := range *batchRecords {
		value := make([]byte, *size)
		maker.fill(value, uint64(i))
		record := kmsg.Record{OffsetDelta: int32(i), Value: value}
		// The length counts what comes after itself.
		record.Length = int32(len(record.AppendTo(nil)) - 1)
		batch.Records = record.AppendTo(batch.Records)
	}
	// The same holds here, of 12 bytes; the checksum covers what comes after it, from byte 21 on.
	batch.Length = int32(len(batch.AppendTo(nil)) - 12)
	bytes := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(bytes[17:], crc32.Checksum(bytes[21:], crc32.MakeTable(crc32.Castagnoli)))

	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis = -1, 30_000
	in := kmsg.NewProduceRequestTopic()
	in.Topic = *topic
	at := kmsg.NewProduceRequestTopicPartition()
	at.Partition, at.Records = int32(partition), bytes
	in.Partitions = append(in.Partitions, at)
	request.Topics = append(request.Topics, in)
	return encoded(request, produceVersion)
}

func (c *rawConnection) produce(request []byte) {
	answer := kmsg.NewPtrProduceResponse()
	answer.SetVersion(produceVersion)
	check(answer.ReadFrom(c.ask(request)), "produce answer")
	if code := answer.Topics[0].Partitions[0].ErrorCode; code != 0 {
		fail("produce: error %d", code)
	}
}

// rawProduce opens connections, leaves them idle for a while, and then has each append batch after batch, one
// at a time: at a pace all together, or each as soon as the last one was acknowledged.
func rawProduce(ctx context.Context, maker *maker) report {
	before := endOffsets(ctx)
	partitions := len(before)
	phases := newPhases()
	all := make([]*rawConnection, *connections)
	phases.during("connect", func() {
		var opening sync.WaitGroup
		// As many at once as an accept queue holds.
		places := make(chan struct{}, 64)
		for i := range all {
			places <- struct{}{}
			opening.Go(func() {
				all[i] = openRaw()
				<-places
			})
		}
		opening.Wait()
	})
	requests := make([][]byte, *connections)
	for i := range requests {
		requests[i] = produceRequest(maker, i%partitions)
	}
	if *idle > 0 {
		phases.during("idle", func() { time.Sleep(seconds(*idle)) })
	}
	latencies := make([][]time.Duration, *connections)
	took := phases.during("produce", func() {
		start := time.Now()
		var working sync.WaitGroup
		for i, c := range all {
			working.Go(func() { latencies[i] = c.produceUntil(requests[i], start, i) })
		}
		working.Wait()
	})
	batches := 0
	perConnection := []map[string]any{}
	for i, one := range latencies {
		batches += len(one)
		times := []float64{}
		for _, took := range one {
			times = append(times, milliseconds(took))
		}
		perConnection = append(perConnection, map[string]any{
			"port": all[i].socket.LocalAddr().(*net.TCPAddr).Port, "latenciesMs": times})
		all[i].socket.Close()
	}
	stored := int64(0)
	for partition, end := range endOffsets(ctx) {
		stored += end - before[partition]
	}
	// More are there if a server is asked twice for what it did not answer: nothing here does.
	if total := int64(batches * *batchRecords); stored != total {
		fail("%d records were acknowledged and %d are there", total, stored)
	}
	figures := map[string]any{"records": stored, "bytes": stored * int64(*size), "requests": batches,
		"recordsPerSecond": float64(stored) / took.Seconds(), "requestsPerSecond": float64(batches) / took.Seconds()}
	if *each {
		figures["connections"] = perConnection
	}
	return report{phases: phases, latencies: concat(latencies), figures: figures}
}

// produceUntil appends for --seconds; connection i of a paced load begins at its own moment of the period.
func (c *rawConnection) produceUntil(request []byte, start time.Time, i int) []time.Duration {
	var latencies []time.Duration
	period := time.Duration(0)
	if *rate > 0 {
		period = time.Duration(float64(*connections**batchRecords) / *rate * float64(time.Second))
	}
	due := start.Add(period * time.Duration(i) / time.Duration(*connections))
	end := start.Add(seconds(*length))
	for due.Before(end) {
		time.Sleep(time.Until(due))
		c.produce(request)
		// An answer that came late puts the next request off, and that lateness counts: it was due.
		latencies = append(latencies, time.Since(due))
		if due = due.Add(period); period == 0 {
			due = time.Now()
		}
	}
	return latencies
}

// rawFetch has each connection read a partition from its beginning to its end, again and again, without a look at
// the records.
func rawFetch(ctx context.Context) report {
	ends := endOffsets(ctx)
	all := make([]*rawConnection, *connections)
	for i := range all {
		all[i] = openRaw()
	}
	phases := newPhases()
	var records, bytes, requests atomic.Int64
	took := phases.during("fetch", func() {
		end := time.Now().Add(seconds(*length))
		var working sync.WaitGroup
		for i, c := range all {
			partition := int32(i % len(ends))
			working.Go(func() {
				offset := int64(0)
				for time.Now().Before(end) {
					next, got := c.fetch(partition, offset)
					records.Add(next - offset)
					bytes.Add(int64(got))
					requests.Add(1)
					if offset = next; offset >= ends[partition] {
						offset = 0
					}
				}
			})
		}
		working.Wait()
	})
	return report{phases: phases, figures: map[string]any{
		"records": records.Load(), "bytes": bytes.Load(), "requests": requests.Load(),
		"recordsPerSecond": float64(records.Load()) / took.Seconds()}}
}

// fetch reads once from an offset that is below the end; gives the offset after what came, and its bytes.
func (c *rawConnection) fetch(partition int32, offset int64) (int64, int) {
	request := kmsg.NewPtrFetchRequest()
	request.ReplicaID, request.MaxWaitMillis, request.MinBytes, request.MaxBytes = -1, 500, 1, 16<<20
	request.SessionEpoch = -1
	in := kmsg.NewFetchRequestTopic()
	in.Topic = *topic
	at := kmsg.NewFetchRequestTopicPartition()
	at.Partition, at.FetchOffset, at.PartitionMaxBytes, at.CurrentLeaderEpoch = partition, offset, 1<<20, -1
	in.Partitions = append(in.Partitions, at)
	request.Topics = append(request.Topics, in)
	answer := kmsg.NewPtrFetchResponse()
	answer.SetVersion(fetchVersion)
	check(answer.ReadFrom(c.ask(encoded(request, fetchVersion))), "fetch answer")
	if len(answer.Topics) != 1 || answer.Topics[0].Partitions[0].ErrorCode != 0 {
		fail("fetch of partition %d at %d: error %d, %+v", partition, offset, answer.ErrorCode, answer.Topics)
	}
	batches := answer.Topics[0].Partitions[0].RecordBatches
	next := offset
	// The last batch may be cut off. A batch: base offset (8), length of the rest (4), … last offset's delta (at 23).
	for rest := batches; len(rest) >= 27; {
		length := 12 + int(binary.BigEndian.Uint32(rest[8:]))
		if length > len(rest) {
			break
		}
		next = int64(binary.BigEndian.Uint64(rest)) + int64(binary.BigEndian.Uint32(rest[23:])) + 1
		rest = rest[length:]
	}
	if next <= offset {
		fail("fetch of partition %d at %d: %d bytes without a whole batch", partition, offset, len(batches))
	}
	return next, len(batches)
}
