package audio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"aes67os/test/netns"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// peerFrames is how many frames are compared of what went to or came from a peer: fewer than
// its file has, and than it takes for two clocks that do not know each other to be apart by
// the link offset.
func peerFrames() int { return min(frames(2*time.Second), 15*rate) }

// unhurried is the link offset for peers that nobody has promised a processor: half a
// second.
const unhurried = rate / 2

// host is a daemon that plays a sequence and records as many channels, with a namespace
// beside it for a peer. The sequence is in file, for the peer to play as well.
type host struct {
	sequence
	daemon
	own, peer       *netns.Namespace
	file, recording string
	// sdp is that of the source that plays all channels.
	sdp string
}

func newHost(t *testing.T, channelCount int, f format) *host {
	t.Helper()
	one, two := netns.Pair(t, oneAddress, twoAddress)
	two.Run("ip", "route", "add", "224.0.0.0/4", "dev", "eth0")
	dir := inMemory(t)
	h := &host{sequence: newSequence(channelCount), own: one, peer: two, recording: filepath.Join(dir, "recording.wav")}
	h.file = h.write(t, dir, f.bits())
	h.daemon = start(t, one, fmt.Sprintf("wav %s > 1-%d; record %s 24bit < 1-%d", h.file, channelCount, h.recording, channelCount),
		map[string]any{"sap_interval": 1})
	h.lock()
	h.sdp = h.send(0, f, channels(0, channelCount))
	return h
}

// sourceGroup is where source 0 goes.
var sourceGroup = netip.MustParseAddr("239.1.0.1")

// rtpPort is that of all streams.
const rtpPort = 5004

// offset is by how much the RTP timestamps of the peer's stream are ahead of the daemon's
// media clock: the n in mediaclk:direct=n, if the peer had such a clock.
func (h *host) offset(t *testing.T, group netip.Addr) uint32 {
	t.Helper()
	// Each where it arrives, for a host need not hear itself.
	ours, when := stamp(t, h.peer, sourceGroup)
	its, then := stamp(t, h.own, group)
	return its - ours - uint32(then.Sub(when)*rate/time.Second)
}

// stamp waits for packets of a stream, and returns the RTP timestamp of one and when it came.
func stamp(t *testing.T, in *netns.Namespace, group netip.Addr) (timestamp uint32, arrival time.Time) {
	t.Helper()
	var conn *net.UDPConn
	in.Do(func() error {
		eth0, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		to := &net.UDPAddr{IP: group.AsSlice(), Port: rtpPort}
		if conn, err = net.ListenUDP("udp4", to); err != nil {
			return err
		}
		raw, err := conn.SyscallConn()
		if err != nil {
			return err
		}
		var failed error
		// Not what other programs here have joined.
		err = raw.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0)
		})
		return errors.Join(err, failed, ipv4.NewPacketConn(conn).JoinGroup(eth0, to))
	})
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	// A stream that has just begun may be in a hurry at first.
	b := make([]byte, 1500)
	for range 200 {
		if n, err := conn.Read(b); err != nil || n < 12 {
			t.Fatalf("a packet to %v: %d bytes, %v", group, n, err)
		}
	}
	return binary.BigEndian.Uint32(b[4:]), time.Now()
}

// describe is the SDP of the peer's stream, as one of a device that has a media clock.
func (h *host) describe(t *testing.T, group netip.Addr, codec string, channels, payload int) string {
	t.Helper()
	return fmt.Sprintf("v=0\no=- 1 1 IN IP4 192.0.2.2\ns=peer\nc=IN IP4 %v/15\nt=0 0\nm=audio %d RTP/AVP %d\na=rtpmap:%d %s/%d/%d\na=mediaclk:direct=%d\n",
		group, rtpPort, payload, payload, codec, rate, channels, h.offset(t, group))
}

// receives tells whether the recording has what a peer played of the sequence.
func (h *host) receives(t *testing.T, mask int32) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Logf("the sink: %+v", *h.figures("sink", 0).Sink)
		}
	}()
	r := record(t, h.recording)
	r.now()
	r.attempts(h.sequence, mask)
}

// attempts compares windows with what a peer played or is to have played, until as many are
// right as there are to be. A peer has no real-time priority, so that it leaves out something
// at any time, and all after it is in another place; but what is wrong in itself is wrong each
// time.
func (r *recording) attempts(s sound, mask int32) {
	r.t.Helper()
	windows := peerFrames() / window
	for left, good := 2*windows+10, 0; good < windows; {
		v := r.compare(r.align(s, mask), window)
		switch {
		case !v.wrong():
			good++
		case left == 0:
			r.t.Errorf("%v, time and again", v)
			return
		default:
			left--
			r.t.Log("does not count:", v)
		}
	}
}
