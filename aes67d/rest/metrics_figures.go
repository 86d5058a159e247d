package rest

import (
	"context"
	"strconv"

	"aes67os/driver"

	"github.com/prometheus/client_golang/prometheus"
)

// What a figuresCollector collects. Levels are not among it: they are for eyes.
var (
	sourcePacketsDesc  = describe("source_packets_total", "Packets sent, over each leg.", "id", "name")
	sourceErrorsDesc   = describe("source_packet_errors_total", "Packets that the network did not take.", "id", "name")
	sourceMissedDesc   = describe("source_missed_packets_total", "Packets not sent because it was too late for them.", "id", "name")
	sourceLatenessDesc = describe("source_lateness_seconds", "Time from when a packet was due until it was sent.", "id", "name")

	lostSamplesDesc   = describe("sink_lost_samples_total", "Samples, of each channel, that were silent because no leg had brought them.", "id", "name")
	interruptionsDesc = describe("sink_interruptions_total", "Times that a stream went on after more than 100 ms of nothing.", "id", "name")
	sinkPacketsDesc   = describe("sink_packets_total", "Packets that have come.", "id", "name", "leg")
	duplicateDesc     = describe("sink_duplicate_packets_total", "Packets with nothing new in them.", "id", "name", "leg")
	lateDesc          = describe("sink_late_packets_total", "Packets that came after their time.", "id", "name", "leg")
	// A gauge, because it falls when what was missing comes after all.
	lostDesc     = describe("sink_lost_packets", "Packets missing by sequence number since the stream began.", "id", "name", "leg")
	aheadMinDesc = describe("sink_ahead_min_seconds", "Least time from a packet's arrival until it was needed, since the stream began.", "id", "name", "leg")
	aheadAvgDesc = describe("sink_ahead_avg_seconds", "Average time from a packet's arrival until it was needed, since the stream began.", "id", "name", "leg")
	aheadMaxDesc = describe("sink_ahead_max_seconds", "Longest time from a packet's arrival until it was needed, since the stream began.", "id", "name", "leg")

	masterDesc    = describe("ptp_master", "Whether this host is the grandmaster.")
	offsetDesc    = describe("ptp_offset_seconds", "Our time minus the master's, while one is followed.")
	pathDelayDesc = describe("ptp_path_delay_seconds", "Mean of the ways to the master and back, while one is followed.")
	jitterSecDesc = describe("ptp_jitter_seconds", "Root mean square of the last offsets, while a master is followed.")
)

// figuresCollector collects what the driver measures, if it does.
type figuresCollector struct{ *server }

// Describe implements [prometheus.Collector].
func (s figuresCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		sourcePacketsDesc, sourceErrorsDesc, sourceMissedDesc, sourceLatenessDesc,
		lostSamplesDesc, interruptionsDesc, sinkPacketsDesc, duplicateDesc, lateDesc, lostDesc, aheadMinDesc, aheadAvgDesc, aheadMaxDesc,
		masterDesc, offsetDesc, pathDelayDesc, jitterSecDesc,
	} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (s figuresCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	figures, err := s.Sessions.Figures(ctx)
	if err != nil {
		return // no value is the truth
	}
	for _, source := range s.Sessions.Sources() {
		if f := figures.Sources[source.ID].Source; f != nil {
			collectSource(ch, f, strconv.Itoa(source.ID), label(source.Name))
		}
	}
	for _, sink := range s.Sessions.Sinks() {
		if f := figures.Sinks[sink.ID].Sink; f != nil {
			collectSink(ch, f, strconv.Itoa(sink.ID), label(sink.Name))
		}
	}
	collectClock(ch, figures.PTP)
}

func collectSource(ch chan<- prometheus.Metric, f *driver.SourceFigures, id, name string) {
	counter(ch, sourcePacketsDesc, f.Packets, id, name)
	counter(ch, sourceErrorsDesc, f.Errors, id, name)
	counter(ch, sourceMissedDesc, f.Missed, id, name)
	count, buckets := latenessBuckets(f.Lateness)
	ch <- prometheus.MustNewConstHistogram(sourceLatenessDesc, count, f.TotalLateness.Seconds(), buckets, id, name)
}

// latenessBuckets makes of a source's lateness, whose ranges double, the cumulative buckets of
// a histogram. Every other is left out: each makes a series of every source.
func latenessBuckets(lateness []uint64) (count uint64, buckets map[float64]uint64) {
	buckets = make(map[float64]uint64)
	for i, n := range lateness {
		count += n
		if i%2 == 0 && i < len(lateness)-1 {
			buckets[float64(uint64(1)<<i)/1e6] = count
		}
	}
	return count, buckets
}

func collectSink(ch chan<- prometheus.Metric, f *driver.SinkFigures, id, name string) {
	counter(ch, lostSamplesDesc, f.Lost, id, name)
	counter(ch, interruptionsDesc, f.Interruptions, id, name)
	for i, leg := range f.Legs {
		n := strconv.Itoa(i)
		counter(ch, sinkPacketsDesc, leg.Packets, id, name, n)
		counter(ch, duplicateDesc, leg.Duplicate, id, name, n)
		counter(ch, lateDesc, leg.Late, id, name, n)
		gauge(ch, lostDesc, float64(leg.Lost), id, name, n)
		gauge(ch, aheadMinDesc, leg.Minimum.Seconds(), id, name, n)
		gauge(ch, aheadAvgDesc, leg.Average.Seconds(), id, name, n)
		gauge(ch, aheadMaxDesc, leg.Maximum.Seconds(), id, name, n)
	}
}

func collectClock(ch chan<- prometheus.Metric, f driver.ClockFigures) {
	gauge(ch, masterDesc, truth(f.Master))
	if f.Interface == "" {
		return
	}
	gauge(ch, offsetDesc, f.Offset.Seconds())
	gauge(ch, pathDelayDesc, f.PathDelay.Seconds())
	gauge(ch, jitterSecDesc, f.Jitter.Seconds())
}
