package ravenna

import (
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"aes67os/driver"
)

// ourPort is the port id of the driver in tests, another daemon's is another.
const ourPort, otherPort = 100, 200

// peer is the kernel module in this process, as the recordings and their notes have
// it. A command is carried out inside of the sender's Send, which for some takes seconds;
// it runs in bubbles, where they pass at once.
type peer struct {
	t   *testing.T
	abi abi

	mu     sync.Mutex
	loaded bool
	// deaf: the module is loaded and answers nothing.
	deaf bool
	// daemon is who said Hello last, 0 for nobody.
	daemon  uint32
	sockets []*peerSocket
	rate    uint32
	ptp     driver.PTPStatus
	// open: an application has the sound card open.
	open    bool
	streams map[uint64][]byte
	last    uint64
	// refuse is asked for the code with which to refuse a stream.
	refuse func(info []byte) errorCode
	slow   func()
	// heard are the commands in order.
	heard []message
	// answers are the daemon's to events.
	answers chan message
}

func newPeer(t *testing.T, a abi) *peer {
	return &peer{
		t: t, abi: a, loaded: true, rate: 44100, ptp: driver.PTPStatus{Lock: driver.Locked},
		streams: make(map[uint64][]byte), answers: make(chan message, 100),
	}
}

// driver makes a driver for the peer.
func (p *peer) driver() *Driver {
	return newDriver(slog.New(slog.DiscardHandler), ourPort, p.dial)
}

// dial opens both sockets.
func (p *peer) dial(port uint32) (commands, events endpoint, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.loaded {
		return nil, nil, errNotLoaded
	}
	for _, s := range p.sockets {
		if s.port != port {
			return nil, nil, errors.New("process 200 (other) uses the RAVENNA kernel module")
		}
	}
	return p.socket(protocolCommands, port), p.socket(protocolEvents, port), nil
}

func (p *peer) socket(protocol int, port uint32) *peerSocket {
	s := &peerSocket{peer: p, protocol: protocol, port: port, in: make(chan []byte, 100), closed: make(chan struct{})}
	p.sockets = append(p.sockets, s)
	return s
}

// change does something to the module.
func (p *peer) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// unload takes the module away.
func (p *peer) unload() {
	p.change(func() {
		p.loaded, p.daemon, p.rate = false, 0, 44100
		clear(p.streams)
	})
}

// commands are those heard since the last call.
func (p *peer) commands() []message {
	p.mu.Lock()
	defer p.mu.Unlock()
	heard := p.heard
	p.heard = nil
	return heard
}

// peerSocket is a socket bound to a port id.
type peerSocket struct {
	peer     *peer
	protocol int
	port     uint32
	in       chan []byte
	closed   chan struct{}
}

func (s *peerSocket) Close() error {
	s.peer.change(func() {
		s.peer.sockets = slices.DeleteFunc(s.peer.sockets, func(o *peerSocket) bool { return o == s })
	})
	close(s.closed)
	return nil
}

func (s *peerSocket) Receive() ([]netlink.Message, error) {
	select {
	case b := <-s.in:
		return []netlink.Message{receive(s.peer.t, b)}, nil
	case <-s.closed:
		return nil, unix.EBADF
	}
}

// Send checks what recordings show of every message and hands it to the module.
func (s *peerSocket) Send(b []byte) error {
	p := s.peer
	p.mu.Lock()
	loaded := p.loaded
	p.mu.Unlock()
	if !loaded {
		return unix.ECONNREFUSED
	}
	head := make([]byte, 0, netlinkHeader+messageHeader)
	head = append(append(head, u32(uint32(len(b)))...), 3, 0, 0, 0, 0, 0, 0, 0)
	head = append(append(head, u32(s.port)...), b[16:20]...)
	head = append(append(head, make([]byte, 4)...), u32(uint32(len(b)-40))...)
	head = append(head, make([]byte, 12)...)
	if !slices.Equal(head, b[:netlinkHeader+messageHeader]) {
		p.t.Errorf("headers % x; want % x", b[:netlinkHeader+messageHeader], head)
	}
	m := message{id: messageID(native.Uint32(b[16:])), data: slices.Clone(b[netlinkHeader+messageHeader:])}
	if s.protocol == protocolEvents {
		p.answers <- m
		return nil
	}
	p.command(s.port, m)
	return nil
}

// tell sends to the sockets of whoever is the daemon, with garbage where the module has
// it, padded as the kernel does.
func (p *peer) tell(protocol int, m message) {
	b := m.encode(0)
	if len(m.data) > 0 {
		copy(b[16+16:], "garbage!")
	}
	b = append(b, make([]byte, -len(b)&3)...)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sockets {
		if s.protocol == protocol && s.port == p.daemon {
			s.in <- b
		}
	}
}

// event makes one and waits up to 1 s for the answer.
func (p *peer) event(id messageID, data []byte) message {
	for len(p.answers) > 0 {
		<-p.answers
	}
	p.tell(protocolEvents, message{id: id, data: data})
	select {
	case m := <-p.answers:
		if m.id != id {
			p.t.Errorf("event %s: the answer is to %s", id, m.id)
		}
		return m
	case <-time.After(time.Second):
		p.t.Errorf("event %s is not answered within 1 s", id)
		return message{}
	}
}

// command deals with one and answers it.
func (p *peer) command(port uint32, m message) {
	p.mu.Lock()
	p.heard = append(p.heard, m)
	deaf, known := p.deaf, p.daemon != 0
	if m.id == msgHello && !deaf {
		p.daemon, known = port, true
	}
	p.mu.Unlock()
	if deaf || !known {
		return
	}
	if m.id == msgHello || m.id == msgBye {
		p.event(m.id, nil)
	}
	code, data := p.do(m)
	p.tell(protocolCommands, message{id: m.id, code: code, data: data})
	if m.id == msgBye {
		p.change(func() { p.daemon = 0 })
	}
}

// sizes are of the data of commands.
func (p *peer) size(id messageID) int {
	switch id {
	case msgSetSampleRate, msgSetPlayoutDelay:
		return 4
	case msgSetTICFrameSizeAt1FS, msgSetMaxTICFrameSize, msgRemoveRTPStream, msgGetRTPStreamStatus:
		return 8
	case msgSetPTPConfig:
		return 2
	case msgAddRTPStream:
		if p.abi == abi2 {
			return 403
		}
		return 402
	}
	return 0
}

// do carries out a command.
func (p *peer) do(m message) (errorCode, []byte) {
	if m.id != msgSetInterfaceName && len(m.data) != p.size(m.id) {
		return codeBadSize, nil
	}
	switch m.id {
	case msgSetSampleRate:
		p.setRate(native.Uint32(m.data))
	case msgAddRTPStream:
		return p.add(m.data)
	case msgGetPTPStatus:
		return 0, p.ptpStatus()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch m.id {
	case msgHello, msgBye, msgStart, msgStop, msgSetTICFrameSizeAt1FS, msgSetMaxTICFrameSize, msgSetPTPConfig,
		msgSetPlayoutDelay, msgSetSampleRate:
		return 0, nil
	case msgReset:
		clear(p.streams)
		return 0, nil
	case msgSetInterfaceName:
		if len(m.data) > 32 {
			return codeBadSize, nil
		}
		return 0, nil
	case msgGetSampleRate:
		return 0, u32(p.rate)
	case msgRemoveRTPStream:
		h := native.Uint64(m.data)
		if _, ok := p.streams[h]; !ok {
			return codeFailed, nil
		}
		delete(p.streams, h)
		return 0, nil
	case msgGetRTPStreamStatus:
		if _, ok := p.streams[native.Uint64(m.data)]; !ok {
			p.t.Error("the module is asked about a stream it does not have, and says it does well")
		}
		return 0, make([]byte, 8)
	}
	return codeUnknownID, nil
}

// setRate changes the rate, which is done when the clock has locked again.
func (p *peer) setRate(hz uint32) {
	p.mu.Lock()
	wait := 32 * time.Second
	if p.ptp.Lock == driver.Locked {
		wait = 9 * time.Second
	}
	if p.rate == hz || p.open {
		wait = 0
	} else {
		p.rate = hz
	}
	p.mu.Unlock()
	time.Sleep(wait)
}

// add adds a stream if there is room and nobody minds.
func (p *peer) add(info []byte) (errorCode, []byte) {
	p.mu.Lock()
	slow := p.slow
	p.slow = nil
	p.mu.Unlock()
	if slow != nil {
		slow()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != nil {
		if code := p.refuse(info); code != 0 {
			return code, nil
		}
	}
	alike := 0
	for _, other := range p.streams {
		if info[141] == other[141] && info[7] == other[7] {
			alike++
		}
	}
	if int(native.Uint32(info)) != len(info) || info[11] == 0 || alike == driver.MaxStreams || int(info[7]) >= p.abi.interfaces() {
		return codeFailed, nil
	}
	p.last += 0x1000
	h := 0xffffffffc0000000 + p.last
	p.streams[h] = info
	return 0, u64(h)
}

func (p *peer) ptpStatus() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := append(u32(uint32(p.ptp.Lock)), p.ptp.Grandmaster[:]...)
	if p.abi == abi2 {
		b = append(b, make([]byte, 20)...)
	}
	return append(b, u32(uint32(p.ptp.Jitter))...)
}
