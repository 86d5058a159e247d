// Package driver is the seam between aes67d and what moves the audio.
//
// The daemon decides which streams there are and what they look like on the
// network; a [Driver] keeps the media clock, sends and receives RTP, and joins it to
// sound cards. There are the RAVENNA kernel module (driver/ravenna), our own engine in Go
// (driver/userspace), which runs in a process of its own (driver/process), and, for tests,
// one that moves nothing (driver/fake). All of them pass driver/drivertest, which is the
// precise form of what is said here. What only some can tell is a [Monitor].
//
// A driver comes and goes: a kernel module can be unloaded and loaded again while
// the daemon runs. It says so by events ([Available], [Unavailable]), and whoever
// drives it adds the streams again. No driver remembers streams over that.
package driver

import (
	"context"
	"errors"
	"fmt"
)

// Driver moves audio. Its methods are safe for concurrent use, and what they ask for
// is done in order. Any of them may take seconds; one whose context ends returns the
// context's error, though the driver may still do what it was asked. Only an Add so
// left behind leaves no stream.
type Driver interface {
	// Name is how people call it, such as "ravenna".
	Name() string

	// Run uses the driver until ctx ends and then returns nil, having stopped audio
	// and let go of whatever it held. It emits Available once streams can be added,
	// at first and after every interruption, when all streams are gone; Unavailable
	// when it cannot reach what it drives, at first and for every new reason, and goes
	// on trying; PTPStatus whenever that has changed, which at first and after
	// Unavailable is the zero PTPStatus; SampleRate when somebody else has changed it.
	// emit is called by one goroutine at a time and must not call the driver. Run may
	// be called again after it has returned, not before.
	//
	// It returns an error only for a Config it can never work with (ErrInvalid).
	Run(ctx context.Context, c Config, emit func(Event)) error

	// What the three Set methods change lasts until Run returns. While the driver
	// is unavailable they return ErrUnavailable, and it has what they set when it is back.

	// SetPTP changes domain and DSCP. The clock locks anew.
	SetPTP(ctx context.Context, c PTPConfig) error
	// SetSampleRate changes the rate, in Hz, of the device and of streams added
	// from now on. A driver that can do so only while its clock is locked remembers
	// it and does it then. One that cannot because of an application is ErrRefused.
	SetSampleRate(ctx context.Context, hz uint32) error
	// SetPlayoutDelay changes the safety delay of playback, in samples at 1FS (44.1 or
	// 48 kHz).
	SetPlayoutDelay(ctx context.Context, samples uint32) error

	// Add begins a stream. A stream that cannot be is ErrInvalid; then nothing of it
	// stays.
	Add(ctx context.Context, s Stream) (Handle, error)
	// Remove ends a stream. One that is not there is ErrNoStream.
	Remove(ctx context.Context, h Handle) error
	// Status tells how a stream does. One that is not there is ErrNoStream.
	Status(ctx context.Context, h Handle) (StreamStatus, error)
}

// Errors that callers decide on. Drivers wrap them with what happened.
var (
	// ErrUnavailable is every method's error outside of Run, and while what the
	// driver drives cannot be reached.
	ErrUnavailable = errors.New("the audio driver is not available")
	// ErrInvalid is a parameter no driver of this kind can work with.
	ErrInvalid = errors.New("invalid value specified")
	// ErrNoStream is a handle without a stream.
	ErrNoStream = errors.New("no such stream")
	// ErrRefused is a command which the driver understood and did not carry out.
	ErrRefused = errors.New("command failed")
	// ErrProtocol is an answer that makes no sense, or none within the time allowed.
	ErrProtocol = errors.New("failed to receive response from driver")
)

// Config is what a driver needs to know before there are streams.
type Config struct {
	// Interfaces are the names of the primary network interface and, for SMPTE ST
	// 2022-7, the secondary.
	Interfaces []string
	PTP        PTPConfig
	// SampleRate is in Hz.
	SampleRate uint32
	// PlayoutDelay is in samples at 1FS (44.1 or 48 kHz), at most MaxPlayoutDelay.
	PlayoutDelay uint32
	// TICFrameSizeAt1FS is the driver's period in samples at 1FS, 1 to 192.
	TICFrameSizeAt1FS uint32
	// MaxTICFrameSize bounds the period at any rate, in samples.
	MaxTICFrameSize uint32
	// Program is for drivers that move audio in a program; those in the kernel have no
	// use for it.
	Program Program
}

// Program is what a driver that moves audio in a program needs to know.
type Program struct {
	// Ports join channels of the device to sound cards and files, in words that the
	// driver defines. Empty for none.
	Ports string
	// CPUs are the processors for audio, as the kernel writes them ("2-3,5"); empty for any.
	CPUs string
	// Priority1 and Priority2 are ours as grandmaster (IEEE 1588-2008 §7.6.2): of two
	// clocks the lower one leads. 0 stands for the driver's default.
	Priority1, Priority2 uint8
}

// Handle names a stream of a driver until it is removed or the driver is interrupted.
type Handle uint64

// Event is something a driver tells of its own accord: one of [Available],
// [Unavailable], [PTPStatus], [SampleRate].
type Event interface{ event() }

// Available tells that the driver works and has no streams.
type Available struct{}

// Unavailable tells that the driver does not work, and why, in words for people.
type Unavailable struct{ Err error }

// SampleRate is the rate in Hz the driver runs at, changed by somebody else: for
// instance by an application that opened the sound card at another rate.
type SampleRate uint32

func (Available) event()   {}
func (Unavailable) event() {}
func (SampleRate) event()  {}
func (PTPStatus) event()   {}

// PTPConfig selects a PTP network.
type PTPConfig struct {
	// Domain is 0 to 127 (IEEE 1588-2008 table 2).
	Domain uint8 `json:"domain"`
	// DSCP marks the packets sent (RFC 2474), 0 to 63.
	DSCP uint8 `json:"dscp"`
}

// PTPStatus is the state of the media clock.
type PTPStatus struct {
	Lock Lock
	// Grandmaster is the identity of the clock followed; zero when there is none.
	Grandmaster ClockID
	// Jitter is as the driver measures it, in its own unit.
	Jitter int32
}

// Lock is how near the media clock is to its master.
type Lock uint32

// The states, in the numbers of the RAVENNA module.
const (
	Unlocked Lock = iota
	Locking
	Locked
)

// String returns the word that the REST API and status scripts use.
func (l Lock) String() string {
	switch l {
	case Unlocked:
		return "unlocked"
	case Locking:
		return "locking"
	case Locked:
		return "locked"
	}
	return fmt.Sprintf("lock state %d", uint32(l))
}

// ClockID is a PTP clock identity (IEEE 1588-2008 §7.5.2.2), in the order of the wire.
type ClockID [8]byte

// String returns the form SDP uses: 00-1D-C1-FF-FE-50-36-33 (RFC 7273 §4.8).
func (id ClockID) String() string {
	return fmt.Sprintf("%02X-%02X-%02X-%02X-%02X-%02X-%02X-%02X", id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7])
}
