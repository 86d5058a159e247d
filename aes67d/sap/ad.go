package sap

import (
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"time"
)

// ad is one version of one session as we announce it.
type ad struct {
	Entry
	hash             uint16
	announce, delete []byte
	// forget is when a deleted one may be forgotten; zero for one that is announced.
	forget time.Time
}

// forgotten tells that nobody knows of it any more.
func (a *ad) forgotten(now time.Time) bool { return !a.forget.IsZero() && !now.Before(a.forget) }

// newAd makes the packets of an announcement.
func newAd(e Entry, hash uint16) (*ad, error) {
	a := &ad{Entry: e, hash: hash}
	var err error
	a.announce, err = Packet{Hash: hash, Origin: e.Origin, Payload: []byte(e.SDP)}.Marshal()
	if err != nil {
		return nil, fmt.Errorf("announce %s: %w", e.Key, err)
	}
	a.delete, err = Packet{Delete: true, Hash: hash, Origin: e.Origin, Payload: []byte(originLine(e.SDP))}.Marshal()
	return a, err
}

// originLine is the o= line of a session description, by which RFC 2974 §6 has it
// deleted; empty if there is none. It ends as it does there: tools look for it in the
// description that was announced.
func originLine(sdp string) string {
	for line := range strings.Lines(sdp) {
		if strings.HasPrefix(line, "o=") {
			return line
		}
	}
	return ""
}

// hashOf makes a message identifier hash from what is announced alone, so that it is
// the same after a restart: receivers do not see another session then. 0 is avoided,
// it means "none" (RFC 2974 §6).
func hashOf(payload string) uint16 {
	h := fnv.New32a()
	h.Write([]byte(payload))
	sum := h.Sum32()
	return max(1, uint16(sum>>16)^uint16(sum))
}

// after is the hash to try if h is taken by another session.
func after(h uint16) uint16 {
	if h == math.MaxUint16 {
		return 1
	}
	return h + 1
}
