// A client program for the integration tests: franz-go behind JSON lines, see ../driver.ts.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type record struct {
	Partition int32             `json:"partition"`
	Offset    int64             `json:"offset"`
	Key       *string           `json:"key"`
	Value     *string           `json:"value"`
	Timestamp int64             `json:"timestamp"`
	Headers   map[string]string `json:"headers"`
}

type request struct {
	ID               int      `json:"id"`
	Verb             string   `json:"verb"`
	Topic            string   `json:"topic"`
	Group            string   `json:"group"`
	Partitions       int32    `json:"partitions"`
	Compression      string   `json:"compression"`
	Idempotent       bool     `json:"idempotent"`
	Records          []record `json:"records"`
	Count            int      `json:"count"`
	Timestamp        int64    `json:"timestamp"`
	SessionTimeoutMs int      `json:"sessionTimeoutMs"`
	Assignor         string   `json:"assignor"`
	RecordsPerSecond int      `json:"recordsPerSecond"`
	ValueBytes       int      `json:"valueBytes"`
}

type object = map[string]any

type program struct {
	bootstrap []string
	admin     *kadm.Client
	out       sync.Mutex
	member    *member
	load      *load
}

func main() {
	p := &program{bootstrap: strings.Split(os.Args[len(os.Args)-1], ",")}
	// A topic just made must be seen at once.
	client, err := kgo.NewClient(kgo.SeedBrokers(p.bootstrap...), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		panic(err)
	}
	p.admin = kadm.NewClient(client)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			panic(err)
		}
		result, err := p.do(r)
		if err != nil {
			p.write(object{"id": r.ID, "error": err.Error()})
		} else {
			p.write(object{"id": r.ID, "result": result})
		}
	}
	if p.member != nil {
		p.member.leave()
	}
	p.admin.Close()
}

func (p *program) write(o object) {
	line, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	p.out.Lock()
	defer p.out.Unlock()
	os.Stdout.Write(append(line, '\n'))
}

func (p *program) do(r request) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	switch r.Verb {
	case "create":
		res, err := p.admin.CreateTopic(ctx, r.Partitions, 1, nil, r.Topic)
		return nil, errors.Join(err, res.Err)
	case "deleteTopic":
		res, err := p.admin.DeleteTopics(ctx, r.Topic)
		return nil, errors.Join(err, res.Error())
	case "produce":
		return p.produce(ctx, r)
	case "consume":
		return p.consume(ctx, r)
	case "groupConsume":
		return p.groupConsume(ctx, r)
	case "committed":
		res, err := p.admin.FetchOffsetsForTopics(ctx, r.Group, r.Topic)
		if err = errors.Join(err, res.Error()); err != nil {
			return nil, err
		}
		offsets := map[int32]int64{}
		res.Each(func(o kadm.OffsetResponse) {
			if o.At >= 0 {
				offsets[o.Partition] = o.At
			}
		})
		return object{"offsets": offsets}, nil
	case "offsets":
		earliest, err := p.admin.ListStartOffsets(ctx, r.Topic)
		if err = errors.Join(err, earliest.Error()); err != nil {
			return nil, err
		}
		latest, err := p.admin.ListEndOffsets(ctx, r.Topic)
		return object{"earliest": byPartition(earliest), "latest": byPartition(latest)}, errors.Join(err, latest.Error())
	case "offsetsForTime":
		at, err := p.admin.ListOffsetsAfterMilli(ctx, r.Timestamp, r.Topic)
		return object{"offsets": byPartition(at)}, errors.Join(err, at.Error())
	case "listGroups":
		groups, err := p.admin.ListGroups(ctx)
		return object{"groups": groups.Groups()}, err
	case "describeGroup":
		groups, err := p.admin.DescribeGroups(ctx, r.Group)
		g := groups[r.Group]
		return object{"state": g.State, "members": len(g.Members)}, errors.Join(err, g.Err)
	case "deleteGroup":
		_, err := p.admin.DeleteGroup(ctx, r.Group)
		return nil, err
	case "member":
		return nil, p.join(r)
	case "leave":
		p.member.leave()
		p.member = nil
		return nil, nil
	case "load":
		return nil, p.startLoad(r)
	case "loadStop":
		return p.load.stop()
	}
	return nil, fmt.Errorf("franz-go program: no verb %q", r.Verb)
}

func byPartition(listed kadm.ListedOffsets) map[int32]int64 {
	offsets := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { offsets[o.Partition] = o.Offset })
	return offsets
}

func (p *program) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(p.bootstrap...),
		kgo.FetchMaxWait(500 * time.Millisecond),
		kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, opts...)...)
}

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func (p *program) produce(ctx context.Context, r request) (any, error) {
	opts := []kgo.Opt{kgo.ProducerBatchCompression(codecs[r.Compression])}
	if !r.Idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	}
	c, err := p.client(opts...)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var records []*kgo.Record
	for _, r1 := range r.Records {
		k := &kgo.Record{Topic: r.Topic, Partition: r1.Partition}
		if r1.Key != nil {
			k.Key = []byte(*r1.Key)
		}
		if r1.Value != nil {
			k.Value = []byte(*r1.Value)
		}
		if r1.Timestamp > 0 {
			k.Timestamp = time.UnixMilli(r1.Timestamp)
		}
		for name, value := range r1.Headers {
			k.Headers = append(k.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
		}
		records = append(records, k)
	}
	if err := c.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return nil, err
	}
	base := map[int32]int64{}
	for _, k := range records {
		if at, ok := base[k.Partition]; !ok || k.Offset < at {
			base[k.Partition] = k.Offset
		}
	}
	return object{"baseOffsets": base}, nil
}

func plain(r *kgo.Record) record {
	text := func(b []byte) *string {
		if b == nil {
			return nil
		}
		s := string(b)
		return &s
	}
	headers := map[string]string{}
	for _, h := range r.Headers {
		headers[h.Key] = string(h.Value)
	}
	return record{r.Partition, r.Offset, text(r.Key), text(r.Value), r.Timestamp.UnixMilli(), headers}
}

func (p *program) poll(ctx context.Context, c *kgo.Client, count int) ([]*kgo.Record, error) {
	var records []*kgo.Record
	for len(records) < count {
		fetches := c.PollRecords(ctx, count-len(records))
		if ctx.Err() != nil {
			return nil, fmt.Errorf("only %d of %d records", len(records), count)
		}
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		records = append(records, fetches.Records()...)
	}
	return records, nil
}

func plainAll(records []*kgo.Record) []record {
	all := make([]record, 0, len(records))
	for _, r := range records {
		all = append(all, plain(r))
	}
	return all
}

func (p *program) consume(ctx context.Context, r request) (any, error) {
	c, err := p.client(kgo.ConsumeTopics(r.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	records, err := p.poll(ctx, c, r.Count)
	return object{"records": plainAll(records)}, err
}

func (p *program) groupConsume(ctx context.Context, r request) (any, error) {
	c, err := p.client(kgo.ConsumeTopics(r.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumerGroup(r.Group), kgo.DisableAutoCommit())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	records, err := p.poll(ctx, c, r.Count)
	if err != nil {
		return nil, err
	}
	if err := c.CommitRecords(ctx, records...); err != nil {
		return nil, err
	}
	return object{"records": plainAll(records)}, nil
}

type member struct {
	client *kgo.Client
	done   chan struct{}
}

func (m *member) leave() {
	m.client.Close()
	<-m.done
}

func (p *program) join(r request) error {
	var lock sync.Mutex
	assigned := map[int32]bool{}
	report := func() {
		partitions := []int{}
		for n := range assigned {
			partitions = append(partitions, int(n))
		}
		sort.Ints(partitions)
		p.write(object{"event": "assigned", "partitions": partitions})
	}
	change := func(added bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			lock.Lock()
			defer lock.Unlock()
			for _, n := range topics[r.Topic] {
				if added {
					assigned[n] = true
				} else {
					delete(assigned, n)
				}
			}
			report()
		}
	}
	// Who sets this hook commits for himself.
	revoked := func(ctx context.Context, c *kgo.Client, topics map[string][]int32) {
		if err := c.CommitUncommittedOffsets(ctx); err != nil {
			fmt.Fprintf(os.Stderr, "commit: %v\n", err)
		}
		change(false)(ctx, c, topics)
	}
	balancer := kgo.GroupBalancer(kgo.RangeBalancer())
	if r.Assignor == "cooperative-sticky" {
		balancer = kgo.CooperativeStickyBalancer()
	}
	c, err := p.client(kgo.ConsumeTopics(r.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumerGroup(r.Group), kgo.Balancers(balancer),
		kgo.SessionTimeout(time.Duration(r.SessionTimeoutMs)*time.Millisecond),
		kgo.HeartbeatInterval(500*time.Millisecond), kgo.RebalanceTimeout(10*time.Second),
		kgo.AutoCommitInterval(500*time.Millisecond),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(revoked), kgo.OnPartitionsLost(change(false)))
	if err != nil {
		return err
	}
	p.member = &member{c, make(chan struct{})}
	go func() {
		defer close(p.member.done)
		for {
			fetches := c.PollFetches(context.Background())
			if fetches.IsClientClosed() {
				return
			}
			fetches.EachError(func(_ string, n int32, err error) { fmt.Fprintf(os.Stderr, "partition %d: %v\n", n, err) })
			if records := fetches.Records(); len(records) > 0 {
				p.write(object{"event": "records", "records": plainAll(records)})
			}
		}
	}()
	return nil
}

type loaded struct {
	Sent    int     `json:"sent"`
	Offsets []int64 `json:"offsets"`
}

type load struct {
	client     *kgo.Client
	stopping   chan struct{}
	sent       chan struct{}
	lock       sync.Mutex
	partitions []*loaded
	errors     []string
}

// startLoad sends "partition:number" records, padded to valueBytes, to all partitions in turn.
func (p *program) startLoad(r request) error {
	c, err := p.client(kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(20000),
		kgo.ProducerLinger(5*time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
		kgo.RetryTimeout(2*time.Minute))
	if err != nil {
		return err
	}
	l := &load{client: c, stopping: make(chan struct{}), sent: make(chan struct{})}
	for i := int32(0); i < r.Partitions; i++ {
		l.partitions = append(l.partitions, &loaded{Offsets: []int64{}})
	}
	p.load = l
	go func() {
		defer close(l.sent)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-l.stopping:
				return
			case <-tick.C:
			}
			for i := 0; i < r.RecordsPerSecond/100; i++ {
				l.send(r, int32(i)%r.Partitions)
			}
		}
	}()
	return nil
}

func (l *load) send(r request, partition int32) {
	l.lock.Lock()
	at := l.partitions[partition]
	n := at.Sent
	at.Sent++
	at.Offsets = append(at.Offsets, -1)
	l.lock.Unlock()
	value := fmt.Appendf(nil, "%d:%d:", partition, n)
	for len(value) < r.ValueBytes {
		value = append(value, 'x')
	}
	l.client.Produce(context.Background(), &kgo.Record{Topic: r.Topic, Partition: partition, Value: value},
		func(k *kgo.Record, err error) {
			l.lock.Lock()
			defer l.lock.Unlock()
			if err == nil && k.Offset < 0 {
				at.Offsets[n] = -2
			} else if err == nil {
				at.Offsets[n] = k.Offset
			} else if len(l.errors) < 20 {
				l.errors = append(l.errors, fmt.Sprintf("%d:%d: %v", partition, n, err))
			}
		})
}

func (l *load) stop() (any, error) {
	close(l.stopping)
	<-l.sent
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if err := l.client.Flush(ctx); err != nil {
		return nil, fmt.Errorf("flush: %w", err)
	}
	l.client.Close()
	partitions := map[int]*loaded{}
	for i, at := range l.partitions {
		partitions[i] = at
	}
	if l.errors == nil {
		l.errors = []string{}
	}
	return object{"partitions": partitions, "errors": l.errors}, nil
}
