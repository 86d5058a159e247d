// Package mdns announces this host and its services on the local network, and finds
// those of others, by Multicast DNS (RFC 6762) and DNS-Based Service Discovery (RFC
// 6763), over IPv4.
//
// A [Responder] owns names. Every name is claimed on every link separately, as RFC
// 6762 has it: first probed for (§8.1), then announced (§8.3), then defended (§9).
// A link is a network interface; what is said on it carries that link's addresses
// only. A name that somebody else holds on any link is given up on all of them for
// "name-2", because people expect a host to have one name.
//
// It also browses, over the same socket. What is heard is kept for each link, asked
// for or not, as long as it says it may (§5.2, §10), and reported as instances of
// services, each once, whatever links it is seen on. All of it is bounded: somebody
// who floods the link can hide services, but not exhaust this host.
//
// The parts, from the inside:
//
//   - record.go and claim.go: which records there are. Pure.
//   - link.go: the claims on one link and when each has to say something next. It is
//     driven by the time it is told, and speaks through a function.
//   - query.go, conflict.go: what a packet from the network does to a link.
//   - cache.go, browser.go: what others said on one link, and what to ask them.
//   - message.go: records and questions made into packets that fit.
//   - responder.go: the loop that joins the links, a [Wire] and the clock together.
//   - browse.go: what the links have found, made into one report.
//   - socket_linux.go, watch_linux.go: the real wire, and the real list of links.
//
// It works beside another responder on the same host (Avahi, systemd-resolved),
// because the port is shared and packets that come from this host's own addresses
// are never taken for a conflict.
package mdns

import (
	"net/netip"
	"time"
)

// Port is the UDP port of Multicast DNS (RFC 6762 §3).
const Port = 5353

// Group is the IPv4 group of Multicast DNS (RFC 6762 §3).
var Group = netip.AddrFrom4([4]byte{224, 0, 0, 251})

// Times to live of records (RFC 6762 §10): those that hold a host's name or address
// go stale with the host, the others are as good as permanent.
const (
	hostTTL  = 120 * time.Second
	otherTTL = 75 * time.Minute
	// legacyTTL bounds what a resolver that knows nothing of Multicast DNS may
	// keep, because no goodbye will reach it (§6.7).
	legacyTTL = 10 * time.Second
)

// Intervals of the protocol.
const (
	probeInterval    = 250 * time.Millisecond // §8.1, also the longest delay before the first
	probes           = 3                      // §8.1
	announceInterval = time.Second            // §8.3
	announcements    = 2                      // §8.3
	loserWait        = time.Second            // §8.2: before probing again for a name another host probes for
	sameRecord       = time.Second            // §6: between two multicasts of one record
	sameDefence      = 250 * time.Millisecond // §6: likewise when it answers a probe
	sharedDelayMin   = 20 * time.Millisecond  // §6: where several hosts may answer
	sharedDelayMax   = 120 * time.Millisecond
	truncatedMin     = 400 * time.Millisecond // §7.2: more known answers may follow
	truncatedMax     = 500 * time.Millisecond
	conflictWindow   = 10 * time.Second // §8.1: after 15 conflicts with no such pause,
	conflictLimit    = 15
	conflictWait     = 5 * time.Second // wait this long before each further attempt
)

// Service is something to be found by its type (RFC 6763).
type Service struct {
	// Instance is the name people see; empty is the host's name. Any UTF-8 up to
	// 63 bytes; longer ones are cut.
	Instance string
	// Type is such as "_http._tcp".
	Type string
	// Subtypes are such as "_ravenna_session" (RFC 6763 §7.1).
	Subtypes []string
	Port     uint16
	// Text holds "key=value" strings of at most 255 bytes (RFC 6763 §6).
	Text []string
	// OnRename, if there is one, is told the name that the service has instead of
	// Instance, each time it had to take another: because somebody has it, or because
	// it is too long. It is called from [Responder.Run].
	OnRename func(instance string)
}

// Link is a network interface to announce on.
type Link struct {
	Index int
	Name  string
	// Addresses are IPv4, each with the length of its subnet's prefix.
	Addresses []netip.Prefix
}

// Wire carries Multicast DNS packets. [Socket] is the real one.
type Wire interface {
	// Join begins to receive what is sent to the group on the link.
	Join(link int) error
	// Leave ends that.
	Leave(link int) error
	// Send sends to p.Peer by way of p.Link.
	Send(p Packet) error
	// Receive waits for a packet. It fails once the wire is closed.
	Receive() (Packet, error)
	// Close makes Receive fail.
	Close() error
}

// Packet is a datagram on a link.
type Packet struct {
	Link int
	// Peer is the sender of a received packet and the receiver of one to send.
	Peer netip.AddrPort
	// Group tells of a received packet that it was sent to the group, not to us alone.
	Group bool
	Data  []byte
}
