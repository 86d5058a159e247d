package driver

import (
	"context"
	"time"
)

// Monitor is a driver that measures what it does, which not every driver can. Outside of
// Run its methods are ErrUnavailable.
type Monitor interface {
	// Figures tells how a stream does. One that is not there is ErrNoStream.
	Figures(ctx context.Context, h Handle) (Figures, error)
	// Clock tells how the media clock does.
	Clock(ctx context.Context) (ClockFigures, error)
}

// Figures are those of a stream. What is counted is counted since the stream was added, or
// since the driver has begun anew with it, at another rate for instance.
type Figures struct {
	// Source has those of a source, Sink those of a sink; the other is nil.
	Source *SourceFigures `json:"source,omitempty"`
	Sink   *SinkFigures   `json:"sink,omitempty"`
	// Levels are those of the stream's channels, in their order.
	Levels []Level `json:"levels"`
}

// Silence is the level of a channel without any sound, in dBFS: below what 32 bits can say.
const Silence = -200

// Level is how loud a channel has been of late, in dBFS (AES17): a sine of full scale has a
// peak and an RMS of 0. It is at least Silence.
type Level struct {
	Peak float64 `json:"peak"`
	RMS  float64 `json:"rms"`
}

// SourceFigures are what became of a source's packets.
type SourceFigures struct {
	// Packets were sent, over each leg, with Octets of payload (RFC 3550 §6.4.1).
	Packets uint64 `json:"packets"`
	Octets  uint64 `json:"octets"`
	// Errors are packets that the network did not take, each leg's by itself.
	Errors uint64 `json:"errors"`
	// Missed are packets that were not sent because it was too late for them.
	Missed uint64 `json:"missed"`
	// Lateness counts packets by the time from when they were due until they were sent:
	// the first below 1 µs, that with index i from 2^(i-1) µs to below 2^i µs, the last all
	// longer ones.
	Lateness []uint64 `json:"lateness"`
	// MaxLateness is the longest such time, TotalLateness all of them together.
	MaxLateness   time.Duration `json:"max_lateness_ns"`
	TotalLateness time.Duration `json:"total_lateness_ns"`
}

// SinkFigures are what a sink has received.
type SinkFigures struct {
	// Lost counts samples, of each channel, that were silent because no leg had brought
	// them when their time came, in a stream that went on. Those of an interruption are
	// not among them.
	Lost uint64 `json:"lost_samples"`
	// Interruptions counts the times that a stream went on after it had brought nothing
	// to be heard for more than 100 ms.
	Interruptions uint64 `json:"interruptions"`
	// Legs are those of the stream.
	Legs []LegFigures `json:"legs"`
}

// LegFigures count the packets that came by one leg.
type LegFigures struct {
	// Packets counts all that came to the stream's destination, those below among them.
	Packets uint64 `json:"packets"`
	// Lost counts those missing by sequence number. A packet that comes late after all
	// is taken off again.
	Lost uint64 `json:"lost"`
	// Duplicate counts packets with nothing new in them. With two legs, that is every
	// packet of the slower one.
	Duplicate uint64 `json:"duplicate"`
	// Late and Early count packets whose time had come already, or is too far away;
	// neither is heard.
	Late  uint64 `json:"late"`
	Early uint64 `json:"early"`
	// WrongPayloadType and ForeignSSRC count packets of another kind, and of another
	// talker than the one that is followed.
	WrongPayloadType uint64 `json:"wrong_payload_type"`
	ForeignSSRC      uint64 `json:"foreign_ssrc"`
	// Malformed counts packets that are not RTP, or have not the size of packets of this
	// stream.
	Malformed uint64 `json:"malformed"`
	// Minimum, Average and Maximum are the time between a packet's arrival and that at
	// which its first sample is heard, negative for late ones. Packets that are early, or
	// late by so much, are left out; while there were no others all three are 0.
	Minimum time.Duration `json:"min_ahead_ns"`
	Average time.Duration `json:"avg_ahead_ns"`
	Maximum time.Duration `json:"max_ahead_ns"`
}

// ClockFigures are those of the media clock.
type ClockFigures struct {
	// Master tells that this host is the grandmaster, though perhaps of nobody: see Fault.
	Master bool `json:"master"`
	// Interface is that over which a master is followed, empty for none.
	Interface string `json:"interface"`
	// Timestamps is what tells the time of packets on that interface: "hardware" or
	// "software"; empty without an interface.
	Timestamps string `json:"timestamps"`
	// Offset is our time minus the master's at the last Sync that counted (IEEE 1588-2008
	// §11.2), PathDelay the mean of the ways to the master and back (§11.3), Jitter the root
	// mean square of the last offsets. They are 0 unless a master is followed.
	Offset    time.Duration `json:"offset_ns"`
	PathDelay time.Duration `json:"path_delay_ns"`
	Jitter    time.Duration `json:"jitter_ns"`
	// Fault tells, for people, why interfaces do not work; empty when all do.
	Fault string `json:"fault"`
}
