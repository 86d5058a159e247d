package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aes67os/init/api"
)

// errEnough ends following from within.
var errEnough = errors.New("enough")

func TestFollowMissesNothingAndDoublesNothing(t *testing.T) {
	const writers, each = 4, 500
	j := New(Options{MaxEntries: writers * each})
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for i := range each {
				j.Append("a", api.Info, fmt.Sprint(i))
			}
		})
	}
	// The follower begins somewhere in the middle of the writing.
	var want uint64
	err := j.Follow(t.Context(), api.LogQuery{}, func(e api.LogEntry) error {
		if want++; e.Seq != want {
			return fmt.Errorf("got entry %d after %d", e.Seq, want-1)
		}
		if want == writers*each {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
	writing.Wait()
}

func TestFollow(t *testing.T) {
	tests := map[string]struct {
		query api.LogQuery
		want  []string
	}{
		"all":            {api.LogQuery{}, []string{"1", "2", "3", "4", "live a", "live b"}},
		"tail":           {api.LogQuery{Tail: 1}, []string{"4", "live a", "live b"}},
		"since":          {api.LogQuery{Since: 4}, []string{"live a", "live b"}},
		"service":        {api.LogQuery{Service: "a"}, []string{"1", "3", "live a"}},
		"tail, service":  {api.LogQuery{Service: "a", Tail: 1}, []string{"3", "live a"}},
		"earlier boot's": {api.LogQuery{Since: 900}, []string{"1", "2", "3", "4", "live a", "live b"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := New(Options{})
				for i := range 4 {
					j.Append([]string{"a", "b"}[i%2], api.Info, fmt.Sprint(i+1))
				}
				ctx, cancel := context.WithCancel(t.Context())
				var got []string
				var err error
				done := make(chan struct{})
				go func() {
					defer close(done)
					err = j.Follow(ctx, test.query, func(e api.LogEntry) error {
						got = append(got, e.Text)
						return nil
					})
				}()
				synctest.Wait() // it has read what there was
				j.Append("a", api.Info, "live a")
				j.Append("b", api.Info, "live b")
				synctest.Wait()
				cancel()
				<-done
				if !errors.Is(err, context.Canceled) {
					t.Errorf("ended with %v, want context.Canceled", err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestSlowFollowerHoldsUpNobodyAndIsTold(t *testing.T) {
	j := New(Options{MaxEntries: 3})
	j.Append("a", api.Info, "first")
	var got []string
	err := j.Follow(t.Context(), api.LogQuery{Service: "a"}, func(e api.LogEntry) error {
		got = append(got, fmt.Sprintf("%d %s", e.Seq, e.Text))
		switch e.Seq {
		case 1:
			// All of this is written while the follower is busy here.
			for i := range 10 {
				j.Append("a", api.Info, fmt.Sprint("later ", i))
			}
		case 11:
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
	want := []string{
		"1 first",
		"8 7 lines of the log are missing here: they were dropped before they could be read",
		"9 later 7", "10 later 8", "11 later 9",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFollowerComesBackTooLate(t *testing.T) {
	j := New(Options{MaxEntries: 1})
	for i := range 5 {
		j.Append("a", api.Info, fmt.Sprint(i+1))
	}
	var got []api.LogEntry
	err := j.Follow(t.Context(), api.LogQuery{Since: 2}, func(e api.LogEntry) error {
		if got = append(got, e); e.Seq == 5 {
			return errEnough
		}
		return nil
	})
	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
	want := []string{
		"4 init warning 2 lines of the log are missing here: they were dropped before they could be read",
		"5 a info 5",
	}
	if diff := cmp.Diff(want, texts(got)); diff != "" {
		t.Error(diff)
	}
}

func TestConsole(t *testing.T) {
	var uptime time.Duration
	j := New(Options{Uptime: func() time.Duration { return uptime }})
	uptime = 3214 * time.Millisecond
	j.Append("aes67d", api.Info, "ready")
	j.Append("kernel", api.Info, "igb 0000:01:00.0: link up")
	uptime = 12345*time.Second + 678*time.Millisecond
	j.Append("init", api.Error, "going down\nnow")

	// With a context that has ended it writes what there is.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	if err := j.Console(ctx, &out); err != nil {
		t.Fatal(err)
	}
	want := `[    3.214] aes67d: ready
[12345.678] init: going down
[12345.678] init: now
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestConsoleFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := New(Options{Uptime: func() time.Duration { return time.Second }})
		ctx, cancel := context.WithCancel(t.Context())
		var out bytes.Buffer
		done := make(chan error)
		go func() { done <- j.Console(ctx, &out) }()
		synctest.Wait()
		j.Append("a", api.Info, "one")
		synctest.Wait()
		if want := "[    1.000] a: one\n"; out.String() != want {
			t.Errorf("wrote %q, want %q", out.String(), want)
		}
		j.Append("a", api.Info, "two")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if want := "[    1.000] a: one\n[    1.000] a: two\n"; out.String() != want {
			t.Errorf("wrote %q, want %q", out.String(), want)
		}
	})
}

func TestConsoleThatFails(t *testing.T) {
	j := New(Options{})
	j.Append("a", api.Info, "one")
	r, w := io.Pipe()
	r.Close()
	if err := j.Console(t.Context(), w); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want io.ErrClosedPipe", err)
	}
}
