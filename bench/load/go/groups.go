package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// member is one consumer in a group, and what it was last given.
type member struct {
	client     *kgo.Client
	lock       sync.Mutex
	generation int32
	partitions int
}

func newMember(group string, hooks ...kgo.Opt) *member {
	m := &member{}
	assigned := func(_ context.Context, client *kgo.Client, given map[string][]int32) {
		_, generation := client.GroupMetadata()
		m.lock.Lock()
		m.generation, m.partitions = generation, len(given[*topic])
		m.lock.Unlock()
	}
	gone := func(context.Context, *kgo.Client, map[string][]int32) {
		m.lock.Lock()
		m.partitions = 0
		m.lock.Unlock()
	}
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(*bootstrap), kgo.ClientID("bench-franz-go"), kgo.ConsumeTopics(*topic),
		kgo.ConsumerGroup(group), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		// Eager: one rebalance gives every partition away anew, so "stable" is one generation.
		kgo.Balancers(kgo.RangeBalancer()), kgo.HeartbeatInterval(time.Duration(*heartbeat) * time.Millisecond),
		kgo.OnPartitionsAssigned(assigned), kgo.OnPartitionsRevoked(gone), kgo.OnPartitionsLost(gone)}, hooks...)...)
	check(err, "client")
	m.client = client
	return m
}

func (m *member) now() (generation int32, partitions int) {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.generation, m.partitions
}

// untilStable waits until the members, all of one generation, have all partitions; gives the generation.
func untilStable(ctx context.Context, all []*member, partitions int) int32 {
	for {
		sum, isOne := 0, true
		first, _ := all[0].now()
		for _, m := range all {
			generation, given := m.now()
			sum += given
			isOne = isOne && generation == first && given > 0
		}
		if isOne && sum == partitions {
			return first
		}
		if ctx.Err() != nil {
			fail("timeout: the group of %d is not stable, %d of %d partitions are given away", len(all), sum, partitions)
		}
		time.Sleep(time.Millisecond)
	}
}

// join has members come all at once, stay, and some of them leave, one by one.
func join(ctx context.Context, run uint64) report {
	group := fmt.Sprintf("join-%x", run)
	partitions := len(endOffsets(ctx))
	phases := newPhases()
	all := make([]*member, *members)
	joined := phases.during("join", func() {
		for i := range all {
			all[i] = newMember(group)
		}
		untilStable(ctx, all, partitions)
	})
	generations := untilStable(ctx, all, partitions)
	phases.during("steady", func() { time.Sleep(seconds(*length)) })
	// One after the other, each at its own moment between two signs of life: by these the others learn of it.
	var left []time.Duration
	for range min(*leaving, len(all)-1) {
		time.Sleep(time.Duration(rand.Int64N(int64(*heartbeat) * int64(time.Millisecond))))
		left = append(left, phases.during("leave", func() {
			go all[0].client.Close()
			all = all[1:]
			untilStable(ctx, all, partitions)
		}))
	}
	var closing sync.WaitGroup
	for _, m := range all {
		closing.Go(m.client.Close)
	}
	closing.Wait()
	leaves := []float64{}
	for _, took := range left {
		leaves = append(leaves, milliseconds(took))
	}
	return report{phases: phases, figures: map[string]any{
		"leavesMs": leaves, "joinMs": milliseconds(joined), "leaveMs": percentile(left, .5), "generations": generations}}
}

// Later versions of OffsetCommit (8) and OffsetFetch (9) call topics by their ids.
var topicsByName = func() *kversion.Versions {
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(8, 9)
	versions.SetMaxKeyVersion(9, 9)
	return versions
}()

// commit has each of some clients, in a group of its own, commit the offsets of all partitions again and again.
func commit(ctx context.Context, run uint64) report {
	partitions := len(endOffsets(ctx))
	each := max(1, *records / *connections)
	latencies := make([][]time.Duration, *connections)
	clients := make([]*kgo.Client, *connections)
	for i := range clients {
		client, err := kgo.NewClient(kgo.SeedBrokers(*bootstrap), kgo.ClientID("bench-franz-go"),
			kgo.MaxVersions(topicsByName))
		check(err, "client")
		defer client.Close()
		clients[i] = client
		commitOnce(ctx, client, fmt.Sprintf("commit-%x-%d", run, i), partitions, 0)
	}
	phases := newPhases()
	took := phases.during("commit", func() {
		var working sync.WaitGroup
		for i, client := range clients {
			working.Go(func() {
				for n := range each {
					sent := time.Now()
					commitOnce(ctx, client, fmt.Sprintf("commit-%x-%d", run, i), partitions, int64(n+1))
					latencies[i] = append(latencies[i], time.Since(sent))
				}
			})
		}
		working.Wait()
	})
	for i, client := range clients {
		checkCommitted(ctx, client, fmt.Sprintf("commit-%x-%d", run, i), partitions, int64(each))
	}
	total := each * *connections
	return report{phases: phases, latencies: concat(latencies), figures: map[string]any{
		"commits": total, "commitsPerSecond": float64(total) / took.Seconds()}}
}

func commitOnce(ctx context.Context, client *kgo.Client, group string, partitions int, offset int64) {
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group, request.Generation = group, -1
	of := kmsg.NewOffsetCommitRequestTopic()
	of.Topic = *topic
	for partition := range partitions {
		one := kmsg.NewOffsetCommitRequestTopicPartition()
		one.Partition, one.Offset = int32(partition), offset
		of.Partitions = append(of.Partitions, one)
	}
	request.Topics = append(request.Topics, of)
	answer, err := request.RequestWith(ctx, client)
	check(err, "commit")
	for _, one := range answer.Topics[0].Partitions {
		if one.ErrorCode != 0 {
			fail("commit of partition %d: error %d", one.Partition, one.ErrorCode)
		}
	}
}

func checkCommitted(ctx context.Context, client *kgo.Client, group string, partitions int, offset int64) {
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Group = group
	in := kmsg.NewOffsetFetchRequestGroup()
	in.Group = group
	request.Groups = append(request.Groups, in)
	answer, err := request.RequestWith(ctx, client)
	check(err, "offset fetch")
	found := 0
	for _, of := range answer.Groups {
		for _, on := range of.Topics {
			for _, one := range on.Partitions {
				if one.Offset != offset {
					fail("group %s has %d committed in partition %d, not %d", group, one.Offset, one.Partition, offset)
				}
				found++
			}
		}
	}
	if found != partitions {
		fail("group %s has offsets of %d partitions, not %d", group, found, partitions)
	}
}

// fanOut has many groups of one consumer read what one producer writes at a pace.
func fanOut(ctx context.Context, maker *maker, run uint64) report {
	all := make([]*member, *members)
	partitions := len(endOffsets(ctx))
	for i := range all {
		all[i] = newMember(fmt.Sprintf("fan-out-%x-%d", run, i))
		defer all[i].client.Close()
	}
	for _, m := range all {
		untilStable(ctx, []*member{m}, partitions)
	}
	opts := append(producerOptions(), kgo.ProducerLinger(0))
	if *produceTo != "" {
		opts = append(opts, kgo.SeedBrokers(*produceTo))
	}
	producer, err := kgo.NewClient(opts...)
	check(err, "client")
	defer producer.Close()
	// A consumer that stands at the end of a partition waits for more: all are there before the clock starts.
	time.Sleep(time.Second)

	sentAt := make([]atomic.Int64, *records)
	latencies := make([][]time.Duration, *members)
	phases := newPhases()
	took := phases.during("fan-out", func() {
		var reading sync.WaitGroup
		for i, m := range all {
			reading.Go(func() {
				seen := newSeen(run, *records)
				for seen.count < *records {
					fetches := m.client.PollFetches(ctx)
					if ctx.Err() != nil {
						fail("timeout: group %d has %d of %d records", i, seen.count, *records)
					}
					now := time.Now().UnixNano()
					fetches.EachError(func(_ string, partition int32, err error) { fail("fetch of partition %d: %v", partition, err) })
					fetches.EachRecord(func(record *kgo.Record) {
						sequence := seen.add(record.Partition, record.Value)
						latencies[i] = append(latencies[i], time.Duration(now-sentAt[sequence].Load()))
					})
				}
				if seen.disorder > 0 {
					fail("group %d: %d records out of order", i, seen.disorder)
				}
			})
		}
		pace := newPace(*rate)
		for sequence := range *records {
			pace.wait(sequence)
			record := &kgo.Record{Topic: *topic, Value: make([]byte, *size)}
			maker.fill(record.Value, uint64(sequence))
			sentAt[sequence].Store(time.Now().UnixNano())
			producer.Produce(ctx, record, func(_ *kgo.Record, err error) { check(err, "produce") })
		}
		check(producer.Flush(ctx), "flush")
		reading.Wait()
	})
	delivered := *records * *members
	return report{phases: phases, latencies: concat(latencies), figures: map[string]any{
		"produced": *records, "delivered": delivered, "deliveredPerSecond": float64(delivered) / took.Seconds()}}
}
