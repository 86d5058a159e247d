package flash

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAsk(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		interactive  bool
		declined     bool
		want         string
	}{
		{name: "yes", answer: "yes\n", interactive: true},
		{name: "no", answer: "no\n", interactive: true, declined: true},
		{name: "y is not enough", answer: "y\n", interactive: true, declined: true},
		{name: "end of input", answer: "", interactive: true, declined: true},
		{name: "nobody there", answer: "yes\n", want: "-yes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			err := ask(t.Context(), Options{Image: "a.img", In: strings.NewReader(tt.answer), Interactive: tt.interactive, Out: &out},
				Target{Device: "/dev/sdb", Model: "SanDisk Ultra", Size: 31.9e9})
			switch {
			case tt.want != "":
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("ask = %v; want %q", err, tt.want)
				}
			case errors.Is(err, ErrDeclined) != tt.declined:
				t.Errorf("ask = %v; want declined: %v", err, tt.declined)
			case out.String() != "Write a.img to /dev/sdb (SanDisk Ultra, 31.9 GB)? Everything on it will be lost. Type yes: ":
				t.Errorf("asked %q", out.String())
			}
		})
	}
}

// TestAskInterrupted is about Ctrl-C at the question.
func TestAskInterrupted(t *testing.T) {
	in, keep := io.Pipe()
	defer keep.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ask(ctx, Options{In: in, Interactive: true, Out: io.Discard}, Target{}); !errors.Is(err, ErrDeclined) {
		t.Errorf("ask = %v; want %v", err, ErrDeclined)
	}
}

func TestMeter(t *testing.T) {
	run := func(live bool) string {
		var out bytes.Buffer
		now := time.Unix(0, 0)
		m := newMeter(&out, live, func() time.Time { return now })
		for _, step := range []string{Writing, Verifying} {
			// The first call is when the step begins, as far as can be seen.
			for done := int64(0); done <= 100e6; done += 5e6 {
				m.show(step, done, 100e6)
				now = now.Add(100 * time.Millisecond)
			}
		}
		return out.String()
	}
	lines := strings.Split(strings.TrimSuffix(run(false), "\n"), "\n")
	if len(lines) != 20 {
		t.Errorf("%d lines; want 10 for each step:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	if diff := cmp.Diff("write     10 % of 100.0 MB, 50.0 MB/s, 2s left", lines[0]); diff != "" {
		t.Errorf("first line (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("verify   100 % of 100.0 MB, 50.0 MB/s, 0s left", lines[len(lines)-1]); diff != "" {
		t.Errorf("last line (-want +got):\n%s", diff)
	}
	live := run(true)
	if n := strings.Count(live, "\r\033[K"); n != 22 {
		t.Errorf("a terminal's line was written %d times; want 22, which is every 200 ms", n)
	}
	if n := strings.Count(live, "\n"); n != 2 || !strings.HasSuffix(live, "\n") {
		t.Errorf("a terminal got %d ends of lines; want one after each step", n)
	}
}
