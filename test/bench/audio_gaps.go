package main

import (
	"fmt"
	"slices"
	"time"
)

// gaps are the times between one packet of a stream and the next.
type gaps struct {
	length time.Duration
	last   [256]int64 // when each stream's newest packet came
	of     [256]int   // how many packets each stream had
	// counts are those of the streams there are.
	counts []int
	sorted []time.Duration
}

func newGaps(length time.Duration) *gaps { return &gaps{length: length} }

// add adds a packet of a stream which came at a time in nanoseconds.
func (g *gaps) add(stream byte, at int64) {
	if g.of[stream] > 0 {
		g.sorted = append(g.sorted, time.Duration(at-g.last[stream]))
	}
	g.last[stream] = at
	g.of[stream]++
}

// end is to be called when all packets are there, before the rest.
func (g *gaps) end() {
	slices.Sort(g.sorted)
	for _, n := range g.of {
		if n > 0 {
			g.counts = append(g.counts, n)
		}
	}
}

// quantile is the gap that this share of all gaps, 0 to 1, does not exceed.
func (g *gaps) quantile(share float64) time.Duration { return quantile(g.sorted, share) }

// backToBack is the share of gaps below a tenth of what they should be.
func (g *gaps) backToBack() float64 {
	n, _ := slices.BinarySearch(g.sorted, time.Second/packetsPerSecond/10)
	return float64(n) / float64(len(g.sorted))
}

func (g *gaps) print(name string) {
	if g == nil {
		return
	}
	fmt.Printf("  %-38s %8.3f %8.3f %8.3f %8.3f %7.3f%% %9.1f\n", name, ms(g.quantile(0.5)), ms(g.quantile(0.99)), ms(g.quantile(0.999)),
		ms(g.sorted[len(g.sorted)-1]), 100*g.backToBack(), float64(len(g.sorted))/g.length.Seconds())
}

// quantile is the value that this share of sorted ones, 0 to 1, does not exceed.
func quantile[T any](sorted []T, share float64) T {
	return sorted[min(int(float64(len(sorted))*share), len(sorted)-1)]
}
