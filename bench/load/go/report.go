package main

import (
	"encoding/json"
	"maps"
	"os"
	"time"
)

// report is what a mode other than produce, consume and round-trip says of its run.
type report struct {
	figures   map[string]any
	phases    *phases
	latencies []time.Duration
}

func (r report) print() {
	out := map[string]any{"client": "franz-go", "version": version(), "phases": r.phases.times}
	maps.Copy(out, r.figures)
	if len(r.latencies) > 0 {
		out["p50Ms"], out["p99Ms"] = percentile(r.latencies, .5), percentile(r.latencies, .99)
	}
	check(json.NewEncoder(os.Stdout).Encode(out), "result")
}

// phases notes when each part of a run began and ended, milliseconds since the epoch: whoever watches the server finds
// what it used meanwhile.
type phases struct{ times map[string][2]float64 }

func newPhases() *phases { return &phases{map[string][2]float64{}} }

func (p *phases) during(name string, work func()) time.Duration {
	start := time.Now()
	work()
	end := time.Now()
	p.times[name] = [2]float64{float64(start.UnixMicro()) / 1e3, float64(end.UnixMicro()) / 1e3}
	return end.Sub(start)
}

func seconds(count float64) time.Duration { return time.Duration(count * float64(time.Second)) }

func milliseconds(d time.Duration) float64 { return float64(d) / 1e6 }

func concat(lists [][]time.Duration) (all []time.Duration) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}
