package process

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"

	"aes67os/driver"
	"aes67os/driver/drivertest"
	"aes67os/driver/fake"
)

var quiet = slog.New(slog.DiscardHandler)

// world starts engines that are goroutines, each with a fake driver, and can make them
// end as a process does that is killed.
type world struct {
	mu sync.Mutex
	// down tells that none can be started.
	down   bool
	driver *fake.Driver
	conn   io.Closer
	status driver.PTPStatus
}

func (w *world) launch() (Engine, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return Engine{}, errors.New("no such program")
	}
	ours, theirs := net.Pipe()
	d := fake.New()
	d.SetPTPStatus(w.status)
	ended := make(chan error, 1)
	go func() { ended <- Serve(theirs, d, quiet) }()
	w.driver, w.conn = d, theirs
	return Engine{Conn: ours, Wait: func() error { return <-ended }}, nil
}

func (w *world) setPTP(s driver.PTPStatus) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status = s
	if w.driver != nil {
		w.driver.SetPTPStatus(s)
	}
}

// interrupt ends the engine, and lets none be started.
func (w *world) interrupt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	if w.conn != nil {
		w.conn.Close()
	}
}

func (w *world) restore() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = false
}

func (w *world) now() *fake.Driver {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.driver
}

func config() driver.Config {
	return driver.Config{Interfaces: []string{"lo"}, SampleRate: 48000, TICFrameSizeAt1FS: 48, MaxTICFrameSize: 1024}
}

func TestContract(t *testing.T) {
	drivertest.RunInBubble(t, func(t *testing.T) drivertest.Subject {
		w := new(world)
		return drivertest.Subject{
			Driver:    New("fake", w.launch, quiet),
			Config:    config(),
			Lock:      func(gm driver.ClockID) { w.setPTP(driver.PTPStatus{Lock: driver.Locked, Grandmaster: gm}) },
			Unlock:    func() { w.setPTP(driver.PTPStatus{}) },
			Interrupt: w.interrupt,
			Restore:   w.restore,
			Rate:      func() uint32 { return w.now().Config().SampleRate },
			Legs: func() (n int) {
				for _, s := range w.now().Streams() {
					n += len(s.Legs)
				}
				return n
			},
			ApplicationRate: func(hz uint32) { w.now().SetRate(hz) },
		}
	})
}
