package netns

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// relaying tells a program that it is the process of a [Relay].
const relaying = "AES67OS_TEST_RELAY"

// ServeRelay is for a TestMain to call before anything else, where there are tests with a
// [Relay]: that executes the test's program once more. There it does the relay's work, and
// does not return.
func ServeRelay() {
	if os.Getenv(relaying) == "" {
		return
	}
	if err := serveRelay(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "relay:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serveRelay copies packets between the first two files that the process was given, until
// there are no more impairments to be read. It answers each with how many packets were
// lost.
func serveRelay(in io.Reader, out io.Writer) error {
	// Its threads stay in the kernel without telling Go's scheduler, which would cost more than
	// all else that they do. So nobody else could collect garbage, and none is made.
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(4)
	const a, b = 3, 4
	r := &relay{lost: make(map[uint16]int)}
	failed := make(chan error, 2)
	r.impairment.Store(&Impairment{})
	for seed, way := range []way{{from: a, to: b}, {from: b, to: a}} {
		way.relay, way.random = r, rand.New(rand.NewPCG(uint64(seed), 0))
		go func() { failed <- way.copy() }()
	}
	asked := make(chan Impairment)
	go func() {
		for d := json.NewDecoder(in); ; {
			var i Impairment
			if err := d.Decode(&i); errors.Is(err, io.EOF) {
				failed <- nil
				return
			} else if err != nil {
				failed <- err
				return
			}
			asked <- i
		}
	}()
	answers := json.NewEncoder(out)
	for {
		select {
		case err := <-failed:
			return err
		case i := <-asked:
			r.impairment.Store(&i)
			if err := answers.Encode(r.count()); err != nil {
				return err
			}
		}
	}
}

// relay is what both ways of a relay share.
type relay struct {
	impairment atomic.Pointer[Impairment]

	mu   sync.Mutex
	lost map[uint16]int
}

// count is how many UDP packets were lost, by the port they went to.
func (r *relay) count() map[uint16]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.lost)
}

// lose notes a packet, with its headers of Ethernet, IPv4 and UDP, as lost.
func (r *relay) lose(frame []byte) {
	const ethernet, udp = 14, 8
	if len(frame) < ethernet+20 || binary.BigEndian.Uint16(frame[12:]) != unix.ETH_P_IP || frame[ethernet+9] != unix.IPPROTO_UDP {
		return
	}
	at := ethernet + int(frame[ethernet]&15)*4
	if len(frame) < at+udp {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost[binary.BigEndian.Uint16(frame[at+2:])]++
}

// virtioHeader is the size of what is before each frame (PACKET_VNET_HDR).
const virtioHeader = 10

// way is one direction of a relay.
type way struct {
	relay    *relay
	from, to int
	random   *rand.Rand
	// held are packets, the one that is due first at the beginning; free are frames to be
	// used again.
	held []held
	free [][]byte
}

// held is a packet that is held.
type held struct {
	due   time.Time
	frame []byte
}

// copy copies packets for ever, on a thread of its own.
func (w *way) copy() error {
	runtime.LockOSThread()
	if err := unix.SetNonblock(w.from, true); err != nil {
		return err
	}
	frame := make([]byte, 1<<16+256)
	for {
		n, err := unix.Read(w.from, frame)
		switch {
		case err == nil:
			w.take(frame[:n])
			continue
		case err != unix.EAGAIN && err != unix.EINTR && err != unix.ENETDOWN:
			return fmt.Errorf("receive: %w", err)
		}
		w.release(time.Now())
		if err := w.wait(); err != nil {
			return err
		}
	}
}

// take decides what is done with a packet.
func (w *way) take(frame []byte) {
	i, now := w.relay.impairment.Load(), time.Now()
	w.release(now)
	switch {
	case len(frame) < virtioHeader:
	case w.random.Float64() < i.Loss:
		w.relay.lose(frame[virtioHeader:])
	case i.Delay+i.Jitter == 0, w.random.Float64() < i.Reorder:
		w.send(frame)
	default:
		w.hold(frame, now.Add(i.Delay+time.Duration((2*w.random.Float64()-1)*float64(i.Jitter))))
	}
}

// hold keeps a packet until it is due.
func (w *way) hold(frame []byte, due time.Time) {
	var room []byte
	if last := len(w.free) - 1; last >= 0 {
		room, w.free = w.free[last], w.free[:last]
	}
	at := len(w.held)
	for at > 0 && due.Before(w.held[at-1].due) {
		at--
	}
	w.held = slices.Insert(w.held, at, held{due, append(room[:0], frame...)})
}

// release sends the packets that have been held for long enough.
func (w *way) release(now time.Time) {
	sent := 0
	for ; sent < len(w.held) && !w.held[sent].due.After(now); sent++ {
		w.send(w.held[sent].frame)
		w.free = append(w.free, w.held[sent].frame)
	}
	w.held = slices.Delete(w.held, 0, sent)
}

// send sends a packet. One that cannot be sent is lost as by a cable that is out.
func (w *way) send(frame []byte) { unix.Write(w.to, frame) }

// wait waits for a packet, or until one is to be released.
func (w *way) wait() error {
	for {
		poll := unix.PollFd{Fd: int32(w.from), Events: unix.POLLIN}
		var timeout *unix.Timespec
		if len(w.held) > 0 {
			t := unix.NsecToTimespec(max(0, time.Until(w.held[0].due)).Nanoseconds())
			timeout = &t
		}
		_, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1, uintptr(unsafe.Pointer(timeout)), 0, 0, 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return fmt.Errorf("wait for packets: %w", errno)
		}
	}
}
