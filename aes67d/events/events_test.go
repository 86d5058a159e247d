package events

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func TestEverybodyGetsEverythingInOrder(t *testing.T) {
	b := NewBus()
	b.Publish(Event{Type: "nobody listens"})
	one, two := b.Subscribe(t.Context()), b.Subscribe(t.Context())
	want := []Event{{PTP, 1}, {Sinks, nil}, {PTP, 2}}
	for _, e := range want {
		b.Publish(e)
	}
	for i, c := range []<-chan Event{one, two} {
		var got []Event
		for range want {
			got = append(got, <-c)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("subscriber %d (-want +got):\n%s", i+1, diff)
		}
	}
}

// TestSlow has a subscriber that takes nothing for a while: Publish returns all the
// same, the newest events are kept, and the subscriber hears of the loss where it is.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := NewBus()
		slow, quick := b.Subscribe(ctx), b.Subscribe(ctx)
		for i := range backlog + 11 {
			b.Publish(Event{Type: strconv.Itoa(i)})
			if e := <-quick; e.Type != strconv.Itoa(i) {
				t.Fatalf("the quick one got %v; want %d", e, i)
			}
			synctest.Wait() // event 0 is on its way, no longer in the queue
		}
		var got []Event
		for range 3 {
			got = append(got, <-slow)
		}
		want := []Event{{"0", nil}, {Dropped, 10}, {"11", nil}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the slow one (-want +got):\n%s", diff)
		}
		var last Event
		for range backlog - 1 {
			last = <-slow
		}
		if last.Type != strconv.Itoa(backlog+10) {
			t.Errorf("the last event is %v; want %d", last, backlog+10)
		}
		cancel()
	})
}

// TestEnd checks that nothing is left of a subscriber whose context has ended, even if
// it was not listening: synctest fails when a goroutine stays.
func TestEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := NewBus()
		idle, busy := b.Subscribe(ctx), b.Subscribe(ctx)
		b.Publish(Event{Type: PTP})
		<-idle
		cancel()
		synctest.Wait()
		if _, ok := <-idle; ok {
			t.Error("an event came after the end")
		}
		if _, ok := <-busy; ok {
			t.Error("the event nobody took came after the end")
		}
		if n := len(b.subscribers); n != 0 {
			t.Errorf("%d subscribers are left", n)
		}
		b.Publish(Event{Type: PTP})
	})
}

func TestConcurrent(t *testing.T) {
	b := NewBus()
	var publishers, subscribers sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range 4 {
		events := b.Subscribe(ctx)
		subscribers.Go(func() {
			got := 0
			for e := range events {
				if n, ok := e.Data.(int); ok {
					got += n
				} else {
					got++
				}
				if got == 4000 {
					return
				}
			}
			t.Errorf("got or lost %d events; want 4000", got)
		})
		publishers.Go(func() {
			for range 1000 {
				b.Publish(Event{Type: Sinks})
			}
		})
	}
	publishers.Wait()
	subscribers.Wait()
	cancel()
}
