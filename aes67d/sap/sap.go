// Package sap announces sessions on the local network and hears those that others
// announce, by the Session Announcement Protocol (RFC 2974) over IPv4.
//
// A [Directory] (the RFC's word for who does both) is told what to announce and where,
// each as the whole of what is wanted now, and works out what has to be said. What
// others say it hands on packet by packet; remembering and forgetting them is left to
// whoever keeps the list.
//
// The parts, from the inside:
//
//   - packet.go: the format of packets. Pure.
//   - ad.go: one announcement of ours, and its message identifier hash.
//   - link.go: what is to be said on one network interface, and when. It is driven by
//     the time it is told, and speaks through a function.
//   - census.go: how many others announce, which the RFC's interval depends on.
//   - directory.go: the loop that joins the links, a [Wire] and the clock together.
//   - socket_linux.go: the real wire.
//
// # What is said, and when
//
// A new announcement is made at once and then at the interval. When many are due
// together they are half a millisecond apart, so that no receiver's buffer overflows. An
// announcement is never repeated at another time than that: there are receivers
// that take the last gap between two packets for the interval, and forget a session
// that is silent for ten such gaps.
//
// A session that goes is deleted three times, because packets get lost. A session that
// changes has a new hash, hence is another announcement to receivers that go by the
// hash: the new one is announced first, so that nobody is without the session, then
// the old one is deleted (RFC 2974 §6 asks for that). Receivers that go by the
// session's identity in the o= line have taken the new one as a modification (§5) by
// then, and see from the version that the deletion means another.
//
// When the group changes, receivers may well listen on both. To them hash and origin
// stay the same, so here it is the other way round: all deletions on the old group
// come before the announcement on the new.
package sap

import (
	"net/netip"
	"time"
)

// Port is the UDP port of SAP (RFC 2974 §3).
const Port = 9875

// The groups every directory listens on.
var (
	// GlobalGroup is for sessions of global scope (RFC 2974 §3).
	GlobalGroup = netip.AddrFrom4([4]byte{224, 2, 127, 254})
	// LocalGroup is for sessions on 239.255.0.0/16 (RFC 2974 §3, RFC 2365 §6.1). Audio
	// devices use it for all.
	LocalGroup = netip.AddrFrom4([4]byte{239, 255, 255, 255})
)

const (
	// pace is the least time between two packets on an interface: 64 announcements
	// take 32 ms.
	pace = 500 * time.Microsecond
	// deletions is how often a deletion is said, and deletionGap how far apart.
	deletions   = 3
	deletionGap = 100 * time.Millisecond
	// shutdown is how long the deletion of everything may take in the end.
	shutdown = 300 * time.Millisecond
	// linger is how long our own packets are still known as such after the last
	// deletion, for they come back to us.
	linger = 10 * time.Second
	// defaultInterval is used until [Directory.Configure] says another.
	defaultInterval = 30 * time.Second
)

// What RFC 2974 §3.1 makes the interval from.
const (
	minInterval = 300 * time.Second
	bandwidth   = 4000 // bits per second that all on a group may use together
)

// Sizes of packets, in bytes.
const (
	// maxPacket bounds what is taken from the network, and what is unpacked of it.
	maxPacket = 16 << 10
	// unfragmented is what fits into an Ethernet frame, after the headers of IP and UDP.
	unfragmented = 1500 - 20 - 8
)

// Entry is a session to announce.
type Entry struct {
	// Key is the caller's name for the session. It stays when the session changes.
	Key string
	// Origin is the IPv4 address in the session's o= line.
	Origin netip.Addr
	SDP    string
}

// Event is an announcement or deletion of a session by somebody else.
type Event struct {
	// Packet has the media type of SDP, always. Of an announcement the payload is
	// a session description; of a deletion it should be the o= line, and may be empty.
	Packet
	// From is who sent the packet, which need not be the origin.
	From netip.Addr
	At   time.Time
}

// Wire carries SAP packets. [Socket] is the real one.
type Wire interface {
	// Join begins to receive what is sent to the group on the interface of this index.
	Join(iface int, group netip.Addr) error
	// Leave ends that. It may be asked for an interface that is gone.
	Leave(iface int, group netip.Addr) error
	// Send sends to d.Group by way of d.Interface. It does not wait.
	Send(d Datagram) error
	// Receive waits for a datagram. It fails once the wire is closed.
	Receive() (Datagram, error)
	// Close makes Receive fail.
	Close() error
}

// Datagram is a packet on an interface.
type Datagram struct {
	// Interface is the interface's index.
	Interface int
	Group     netip.Addr
	// From is the sender. Of one to send it is ours on the interface; if it is not
	// valid the system chooses.
	From netip.Addr
	Data []byte
}
