package ptp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/facebook/time/ptp/protocol"

	"aes67os/driver"
)

const (
	// version is versionPTP (IEEE 1588-2008 §13.3.2.2). The upper half of its byte is
	// reserved there; 2.1 of the 2019 edition would only unsettle old devices.
	version    = 2
	headerSize = 34
	// maxMessage is the longest message that is read. What we use is up to 64 bytes.
	maxMessage = 512
	// noInterval is the logMessageInterval of messages that have none (table 24).
	noInterval = 0x7f
)

// The lengths of messages without TLVs (IEEE 1588-2008 §13.5 to §13.8).
const (
	announceSize  = headerSize + 30
	syncSize      = headerSize + 10
	delayRespSize = headerSize + 20
)

var errForeign = errors.New("not for this clock")

// decoder reads messages, all in the same memory: what it returns is good until it reads the
// next.
type decoder struct {
	announce  protocol.Announce
	sync      protocol.SyncDelayReq
	followUp  protocol.FollowUp
	delayResp protocol.DelayResp
	short     [announceSize]byte
}

// decode reads a message of a domain. body is a pointer to an Announce, SyncDelayReq,
// FollowUp or DelayResp. Of all else, and of other versions, profiles and domains,
// nothing is wanted.
func (d *decoder) decode(b []byte, domain uint8) (header *protocol.Header, body any, err error) {
	if len(b) < headerSize {
		return nil, nil, fmt.Errorf("a PTP message of %d bytes", len(b))
	}
	// The upper half of the first byte is transportSpecific, 1 for 802.1AS (annex F).
	if b[0]>>4 != 0 || b[1]&protocol.MajorVersionMask != version || b[4] != domain {
		return nil, nil, errForeign
	}
	kind, err := protocol.ProbeMsgType(b)
	if err != nil {
		return nil, nil, err
	}
	var m interface{ UnmarshalBinary([]byte) error }
	size := 0
	switch kind {
	case protocol.MessageAnnounce:
		m, header, size = &d.announce, &d.announce.Header, announceSize
	case protocol.MessageSync, protocol.MessageDelayReq:
		m, header, size = &d.sync, &d.sync.Header, syncSize
	case protocol.MessageFollowUp:
		m, header, size = &d.followUp, &d.followUp.Header, syncSize
	case protocol.MessageDelayResp:
		m, header, size = &d.delayResp, &d.delayResp.Header, delayRespSize
	default:
		return nil, nil, errForeign
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	if length < size || length > len(b) {
		return nil, nil, fmt.Errorf("a PTP message of type %s has %d bytes and says %d", kind, len(b), length)
	}
	// The TLVs behind the body are cut off: the codec refuses a message because of
	// one it does not know, and we need none.
	if b = b[:size]; length > size {
		b = d.short[:copy(d.short[:], b)]
		binary.BigEndian.PutUint16(b[2:], uint16(size))
	}
	if err := m.UnmarshalBinary(b); err != nil {
		return nil, nil, fmt.Errorf("decode PTP message: %w", err)
	}
	return header, m, nil
}

// encoder makes messages, all in the same memory.
type encoder struct {
	announce  protocol.Announce
	sync      protocol.SyncDelayReq
	followUp  protocol.FollowUp
	delayResp protocol.DelayResp
	wire      [announceSize + 8]byte
}

// encode returns a message as it is on the wire, which is good until the next is encoded. It has
// no TLVs, and so there is room for it.
func (e *encoder) encode(m interface{ MarshalBinaryTo([]byte) (int, error) }) []byte {
	n, err := m.MarshalBinaryTo(e.wire[:])
	if err != nil {
		panic(err)
	}
	return e.wire[:n]
}

// controlFields are the values of a field that only old hardware looks at (table 23).
var controlFields = map[protocol.MessageType]uint8{
	protocol.MessageSync: 0, protocol.MessageDelayReq: 1, protocol.MessageFollowUp: 2,
	protocol.MessageDelayResp: 3, protocol.MessageAnnounce: 5,
}

// header makes the header of a message of ours.
func (p *port) header(kind protocol.MessageType, size uint16, sequence uint16, interval protocol.LogInterval) protocol.Header {
	return protocol.Header{
		SdoIDAndMsgType:    protocol.NewSdoIDAndMsgType(kind, 0),
		Version:            version,
		MessageLength:      size,
		DomainNumber:       p.node.config.Domain,
		SourcePortIdentity: p.identity(),
		SequenceID:         sequence,
		ControlField:       controlFields[kind],
		LogMessageInterval: interval,
	}
}

// maxSeconds bounds PTP time to what fits into an int64 of nanoseconds.
const maxSeconds = 1 << 33

// nanoseconds is a timestamp plus a correction, since 1970 TAI. It returns false for
// what is no time.
func nanoseconds(t protocol.Timestamp, corrections ...protocol.Correction) (int64, bool) {
	seconds := t.Seconds.Seconds()
	if seconds >= maxSeconds || t.Nanoseconds >= uint32(time.Second) {
		return 0, false
	}
	ns := int64(seconds)*int64(time.Second) + int64(t.Nanoseconds)
	for _, c := range corrections {
		if c.TooBig() {
			return 0, false
		}
		ns += int64(c) >> 16
	}
	return ns, ns >= 0
}

// wireTime is a PTP time in nanoseconds as messages have it.
func wireTime(ns int64) protocol.Timestamp {
	return protocol.NewTimestamp(time.Unix(0, max(ns, 0)))
}

// period is a logMessageInterval as time, within bounds that no profile leaves. A
// message without one has the given default.
func period(log, none protocol.LogInterval) time.Duration {
	if log == noInterval {
		log = none
	}
	return min(max(log, -7), 5).Duration()
}

func clockID(id protocol.ClockIdentity) (c driver.ClockID) {
	binary.BigEndian.PutUint64(c[:], uint64(id))
	return c
}
