// Package platform answers, on the machine itself, whether that is good enough for
// network audio: it plays a known sequence on the playback channels of the audio driver,
// has sources send it and sinks receive it, by default over the loopback interface, and
// compares every sample that comes out of the capture channels. These are the two tests
// that users of the known AES67 daemon run first, in one program, for both drivers:
//
//   - compat plays and records with large buffers, as players do. The answer is OK, or
//     where it failed and with what.
//   - latency plays and records with buffers as small as wanted, and measures the time from
//     when a sample is written to when it has been read.
//
// # How it knows
//
// A sample follows from its frame's number and its channel alone (sequence.go), and no two
// stretches of the sequence are alike. So nothing is stored, however long a test takes; and
// from two frames that have been recorded the number, and with it the time they were
// written at, can be found again (comparison.go). Where the recording departs from the
// sequence, silence is told from other samples, for their causes are different: the network
// or a thread that ran late makes silence, nothing that works makes other samples. The
// driver's own figures then tell a packet lost from one that was late or never sent.
//
// # How both drivers are one
//
// What plays and records sees a [card]: frames in periods, with a buffer, at its own pace
// (exercise.go). The RAVENNA kernel module is an ALSA card by itself (pcm.go,
// alsa_linux.go). The userspace driver has rings instead, and rings.go keeps to their
// positions as if it were a card, with a buffer of the same size and with underruns and
// overruns where a card would have them. So figures of both can be compared.
//
// The userspace driver runs within this program. Beside the kernel module, which can only
// follow a PTP clock, one runs without any streams: it becomes the grandmaster if there is
// none (stage.go).
package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Errors that decide on a program's exit code; others are what kept a test from running.
var (
	// ErrFailed is the error of a test that has run and failed. What was found is
	// written already.
	ErrFailed = errors.New("the platform test failed")
	// ErrUsage is a command line that makes no sense.
	ErrUsage = errors.New("wrong arguments")
)

// Main runs the test that the arguments name, compat or latency with their flags, and
// writes to out what it does and has found; with -h, how to use it. When ctx ends before
// the test does, what was found so far is written, and the error is ctx's unless that was a
// failure.
func Main(ctx context.Context, arguments []string, out io.Writer, log *slog.Logger) error {
	o, help, err := parse(arguments)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if help != "" {
		_, err := io.WriteString(out, help)
		return err
	}
	p := newPrinter(out)
	s, err := o.open(ctx, p, log)
	if err != nil {
		return err
	}
	defer s.close()
	r, err := s.run(ctx, p)
	if err != nil {
		return err
	}
	p.println(r.text(&o))
	if r.failed(&o) {
		return ErrFailed
	}
	if !r.finished() {
		return ctx.Err()
	}
	return nil
}
