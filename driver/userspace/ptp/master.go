package ptp

import (
	"net/netip"
	"time"

	"github.com/facebook/time/ptp/protocol"
)

// The intervals as master, as logarithms to base 2 of seconds: those of the media
// profile for Sync and Announce (AES67-2018 annex A). They also hold where a message of
// somebody else names none.
const (
	announceInterval protocol.LogInterval = 1
	syncInterval     protocol.LogInterval = -3
	delayInterval    protocol.LogInterval = 0
)

const (
	// announceTicks is how many Syncs go with an Announce.
	announceTicks = 16
	// utcOffset is TAI - UTC in seconds since 2017.
	utcOffset = 37
	// scaleFlags are the flags that tell what PTP time counts from.
	scaleFlags = protocol.FlagPTPTimescale | protocol.FlagCurrentUtcOffsetValid
	// unlikely is a host's time, in nanoseconds of UTC, before which it has never been set.
	unlikely = 1_735_689_600 * int64(time.Second)
)

// quality is that of a clock nobody has synchronized (IEEE 1588-2008 tables 5 and 6).
var quality = protocol.ClockQuality{
	ClockClass: 248, ClockAccuracy: protocol.ClockAccuracyUnknown, OffsetScaledLogVariance: 0xffff,
}

// timescale tells what PTP time counts from (IEEE 1588-2008 §7.2).
type timescale struct {
	flags     uint16
	utcOffset int16
}

// hostTime is PTP time by the host's clock, as good as it is.
func (h *host) hostTime(now reading) (int64, timescale) {
	scale := timescale{utcOffset: utcOffset}
	if tai := h.tai(); tai != 0 {
		scale = timescale{protocol.FlagCurrentUtcOffsetValid, int16(tai)}
	}
	if now.real > unlikely {
		scale.flags |= protocol.FlagPTPTimescale
	}
	return now.real + int64(scale.utcOffset)*int64(time.Second), scale
}

// lead sends what a master has to send now.
func (p *port) lead() {
	if p.ticks%announceTicks == 0 {
		p.announce()
	}
	p.ticks++
	p.sync()
}

func (p *port) announce() {
	own := p.node.own()
	m := protocol.Announce{
		Header: p.header(protocol.MessageAnnounce, announceSize, p.announces, announceInterval),
		AnnounceBody: protocol.AnnounceBody{
			CurrentUTCOffset:        p.node.held.scale.utcOffset,
			GrandmasterPriority1:    own.priority1,
			GrandmasterClockQuality: own.quality,
			GrandmasterPriority2:    own.priority2,
			GrandmasterIdentity:     own.grandmaster,
			TimeSource:              protocol.TimeSourceInternalOscillator,
		},
	}
	m.FlagField = p.node.held.scale.flags
	p.announces++
	p.sendGeneral(&m, group)
}

func (p *port) sync() {
	m := protocol.SyncDelayReq{Header: p.header(protocol.MessageSync, syncSize, p.syncs, syncInterval)}
	m.FlagField = protocol.FlagTwoStep
	p.syncs++
	left, ok := p.sendEvent(&m, group)
	if !ok {
		return
	}
	f := protocol.FollowUp{Header: p.header(protocol.MessageFollowUp, syncSize, m.SequenceID, syncInterval)}
	f.PreciseOriginTimestamp = wireTime(p.node.held.line.PTPAt(left))
	p.sendGeneral(&f, group)
}

// answer answers a delay request: to all, or to one who asked only us.
func (p *port) answer(m *protocol.SyncDelayReq, r packet) {
	if !r.stamped {
		return
	}
	d := protocol.DelayResp{Header: p.header(protocol.MessageDelayResp, delayRespSize, m.SequenceID, delayInterval)}
	d.CorrectionField = m.CorrectionField
	d.ReceiveTimestamp = wireTime(p.node.held.line.PTPAt(r.stamp))
	d.RequestingPortIdentity = m.SourcePortIdentity
	to := group
	if m.FlagField&protocol.FlagUnicast != 0 {
		d.FlagField, to = protocol.FlagUnicast, r.from
	}
	p.sendGeneral(&d, to)
}

// encoder is a message of the codec.
type encoder interface{ MarshalBinary() ([]byte, error) }

// sendEvent sends an event message and returns when it left, in raw time.
func (p *port) sendEvent(m encoder, to netip.Addr) (left int64, ok bool) {
	b, err := m.MarshalBinary()
	if err != nil {
		panic(err) // its buffer is large enough for a message without TLVs
	}
	left, stamped, err := p.wire.SendEvent(b, to)
	if err != nil {
		p.log.Debug("sending a PTP message", "err", err)
		return 0, false
	}
	if !stamped && !p.unstamped && !p.stamping.hardware { // the card is given up before long
		p.unstamped = true
		p.log.Warn("the network driver tells no time of sending: the PTP clock is less exact")
	}
	return left, true
}

func (p *port) sendGeneral(m encoder, to netip.Addr) {
	b, err := m.MarshalBinary()
	if err != nil {
		panic(err) // its buffer is large enough for a message without TLVs
	}
	if err := p.wire.SendGeneral(b, to); err != nil {
		p.log.Debug("sending a PTP message", "err", err)
	}
}
