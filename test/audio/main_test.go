// Package audio sends sound through the real daemon, to itself and to other people's
// programs, in network namespaces, and compares what arrives with what was played, sample
// by sample.
//
// What is played is a WAV file in which no sample occurs twice ([sequence]), so that any
// that is lost, doubled or in the wrong place shows. What arrives is recorded into a file
// that is read while it grows ([recording]). Both are the daemon's own ports, or the
// other program's files. Nothing is said about when something arrives: a link offset has
// to be kept, or samples are missing.
//
// The runs are short. AES67OS_SOAK=10m makes each of them as long as that.
package audio

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"aes67os/test/aes67d"
	"aes67os/test/netns"
	"aes67os/test/stalls"
)

var (
	// program is the daemon under test, without the race detector, which is too slow for
	// audio.
	program string
	// memory is a directory in memory, for recordings of some 10 MB/s.
	memory string
	// soak is how long samples are compared in each test, 0 for a short time.
	soak time.Duration
)

func TestMain(m *testing.M) {
	netns.ServeRelay()
	stalls.Serve()
	os.Exit(func() int {
		err := setUp()
		defer os.RemoveAll(memory)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func setUp() (err error) {
	if text := os.Getenv("AES67OS_SOAK"); text != "" {
		if soak, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("AES67OS_SOAK: %w", err)
		}
	}
	if memory, err = os.MkdirTemp("/dev/shm", "aes67os"); err != nil {
		return err
	}
	// For those tests that run the daemon as somebody without rights.
	if err := os.Chmod(memory, 0o711); err != nil {
		return err
	}
	program, err = aes67d.Build(context.Background(), memory, false)
	return err
}

// rate is that of all tests, in Hz.
const rate = 48000

// frames is the number of samples per channel to be compared: those of a short time, or of
// a soak.
func frames(short time.Duration) int {
	return int(max(short, soak).Milliseconds()) * rate / 1000
}

// inMemory makes a directory in memory that lasts as long as the test, and that anybody may
// write to.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(memory, "test")
	if err == nil {
		err = os.Chmod(dir, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
