package supervisor

import (
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aes67os/init/journal"
)

// The times of a life, told by a clock that stands still while anything happens.
func TestLife(t *testing.T) {
	const pid = 42
	type event struct {
		at   time.Duration
		says string  // by the service
		asks request // by others
	}
	const s = time.Second
	tests := map[string]struct {
		watchdog time.Duration
		events   []event
		// want are the signals the process gets. It ends by the last.
		want  []string
		asked request
		cause string
	}{
		"never ready": {
			want:  []string{"30s terminated", "35s killed"},
			cause: "did not say it was ready within 30 s",
		},
		"asks for more time to start": {
			events: []event{{at: 20 * s, says: "EXTEND_TIMEOUT_USEC=60000000"}},
			want:   []string{"1m20s terminated", "1m25s killed"},
			cause:  "did not say it was ready within 30 s",
		},
		"asks for less time than it has": {
			events: []event{{at: 20 * s, says: "EXTEND_TIMEOUT_USEC=1000000"}},
			want:   []string{"30s terminated", "35s killed"},
			cause:  "did not say it was ready within 30 s",
		},
		"no watchdog": {
			events: []event{{at: s, says: "READY=1"}, {at: time.Hour, asks: kill}},
			want:   []string{"1h0m0s killed"},
			asked:  stop,
		},
		"watchdog": {
			watchdog: 10 * s,
			events: []event{
				{at: 2 * s, says: "READY=1"}, {at: 11 * s, says: "WATCHDOG=1"}, {at: 15 * s, says: "WATCHDOG=1"},
				{at: 20 * s, says: "STATUS=not a ping"}},
			want:  []string{"25s aborted", "30s killed"},
			cause: "missed its watchdog of 10 s",
		},
		"ready counts as the first ping": {
			watchdog: 10 * s,
			events:   []event{{at: s, says: "WATCHDOG=1"}, {at: 29 * s, says: "READY=1"}},
			want:     []string{"39s aborted", "44s killed"},
			cause:    "missed its watchdog of 10 s",
		},
		"ready again is no ping": {
			watchdog: 10 * s,
			events:   []event{{at: s, says: "READY=1"}, {at: 6 * s, says: "READY=1"}},
			want:     []string{"11s aborted", "16s killed"},
			cause:    "missed its watchdog of 10 s",
		},
		"watchdog, an extension is none of it": {
			watchdog: 10 * s,
			events:   []event{{at: s, says: "READY=1\nEXTEND_TIMEOUT_USEC=60000000"}, {at: 2 * s, says: "EXTEND_TIMEOUT_USEC=60000000"}},
			want:     []string{"11s aborted", "16s killed"},
			cause:    "missed its watchdog of 10 s",
		},
		"trigger": {
			watchdog: 10 * s,
			events:   []event{{at: s, says: "READY=1"}, {at: 2 * s, says: "WATCHDOG=trigger"}},
			want:     []string{"2s aborted", "7s killed"},
			cause:    "said itself that it does not work any more (WATCHDOG=trigger)",
		},
		"stop": {
			events: []event{{at: s, says: "READY=1"}, {at: 3 * s, asks: stop}},
			want:   []string{"3s terminated", "8s killed"},
			asked:  stop,
		},
		"asks for more time to stop": {
			events: []event{{at: s, says: "READY=1"}, {at: 3 * s, asks: stop}, {at: 6 * s, says: "EXTEND_TIMEOUT_USEC=10000000"}},
			want:   []string{"3s terminated", "16s killed"},
			asked:  stop,
		},
		"stop, no watchdog any more": {
			watchdog: s,
			events:   []event{{at: s, says: "READY=1"}, {at: s, asks: stop}, {at: 2 * s, says: "WATCHDOG=1"}},
			want:     []string{"1s terminated", "6s killed"},
			asked:    stop,
		},
		"restart": {
			events: []event{{at: s, asks: restart}, {at: 2 * s, asks: restart}},
			want:   []string{"1s terminated", "6s killed"},
			asked:  restart,
		},
		"stop while restarting": {
			events: []event{{at: s, asks: restart}, {at: 2 * s, asks: stop}},
			want:   []string{"1s terminated", "6s killed"},
			asked:  stop,
		},
		"restart while stopping": {
			events: []event{{at: s, asks: stop}, {at: 2 * s, asks: restart}},
			want:   []string{"1s terminated", "6s killed"},
			asked:  stop,
		},
		"kill while stopping": {
			events: []event{{at: s, asks: stop}, {at: 2 * s, asks: kill}},
			want:   []string{"1s terminated", "2s killed"},
			asked:  stop,
		},
		"ends by itself, but not in time": {
			events: []event{{at: s, says: "READY=1"}, {at: 2 * s, says: "STOPPING=1"}, {at: 4 * s, says: "STOPPING=1"}},
			want:   []string{"7s killed"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				svc := newService(Spec{
					Name: "a", Watchdog: test.watchdog,
					StartTimeout: DefaultStartTimeout, StopTimeout: DefaultStopTimeout,
				}, Options{Journal: journal.New(journal.Options{})}, newBroadcast())
				svc.notify = &notifySocket{messages: make(chan notification)}

				var got []string
				p := &process{pid: pid, ended: make(chan ending, 1)}
				p.signal = func(sig syscall.Signal) {
					got = append(got, fmt.Sprint(time.Since(begin), " ", sig))
					if sig == syscall.SIGKILL {
						p.ended <- ending{}
					}
				}
				for _, e := range test.events {
					time.AfterFunc(e.at, func() {
						if e.asks != none {
							svc.requests <- e.asks
							return
						}
						n := parseNotification(e.says)
						n.pid = pid
						svc.notify.messages <- n
					})
				}
				l := newLife(svc, p)
				l.attend()
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
				if l.asked != test.asked || l.cause != test.cause {
					t.Errorf("asked %d because %q; want %d because %q", l.asked, l.cause, test.asked, test.cause)
				}
			})
		})
	}
}
