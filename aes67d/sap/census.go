package sap

import (
	"maps"
	"net/netip"
	"time"
)

const (
	// maxCensus bounds what is remembered of others. A network with that many
	// sessions has an interval of about 40 minutes, still less than after which
	// receivers forget.
	maxCensus = 2048
	// censusLife is how long somebody is counted who says nothing more (RFC 2974 §4).
	censusLife = time.Hour
)

// id names a version of a session's announcement (RFC 2974 §3.1).
type id struct {
	origin netip.Addr
	hash   uint16
}

// census counts the announcements of others by when they were last heard.
type census map[id]time.Time

// hear takes note of a packet.
func (c census) hear(p Packet, now time.Time) {
	who := id{p.Origin, p.Hash}
	if p.Hash == 0 {
		who.hash = hashOf(string(p.Payload)) // version 0 is told apart by all that is said
	}
	if p.Delete {
		delete(c, who)
		return
	}
	if _, known := c[who]; known || len(c) < maxCensus {
		c[who] = now
	}
}

// count is how many there are.
func (c census) count(now time.Time) int {
	maps.DeleteFunc(c, func(_ id, heard time.Time) bool { return now.Sub(heard) > censusLife })
	return len(c)
}
