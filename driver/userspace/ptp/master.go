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
	own, m := p.node.own(), &p.node.encoder.announce
	*m = protocol.Announce{
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
	p.sendGeneral(p.node.encoder.encode(m), group)
}

func (p *port) sync() {
	e, sequence := &p.node.encoder, p.syncs
	p.syncs++
	e.sync = protocol.SyncDelayReq{Header: p.header(protocol.MessageSync, syncSize, sequence, syncInterval)}
	e.sync.FlagField = protocol.FlagTwoStep
	left, ok := p.sendEvent(e.encode(&e.sync), group)
	if !ok {
		return
	}
	e.followUp = protocol.FollowUp{Header: p.header(protocol.MessageFollowUp, syncSize, sequence, syncInterval)}
	e.followUp.PreciseOriginTimestamp = wireTime(p.node.held.line.PTPAt(left))
	p.sendGeneral(e.encode(&e.followUp), group)
}

// answer answers a delay request: to all, or to one who asked only us.
func (p *port) answer(m *protocol.SyncDelayReq, r packet) {
	if !r.stamped {
		return
	}
	d := &p.node.encoder.delayResp
	*d = protocol.DelayResp{Header: p.header(protocol.MessageDelayResp, delayRespSize, m.SequenceID, delayInterval)}
	d.CorrectionField = m.CorrectionField
	d.ReceiveTimestamp = wireTime(p.node.held.line.PTPAt(r.stamp))
	d.RequestingPortIdentity = m.SourcePortIdentity
	to := group
	if m.FlagField&protocol.FlagUnicast != 0 {
		d.FlagField, to = protocol.FlagUnicast, r.from
	}
	p.sendGeneral(p.node.encoder.encode(d), to)
}

// sendEvent sends an event message and returns when it left, in raw time.
func (p *port) sendEvent(b []byte, to netip.Addr) (left int64, ok bool) {
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

func (p *port) sendGeneral(b []byte, to netip.Addr) {
	if err := p.wire.SendGeneral(b, to); err != nil {
		p.log.Debug("sending a PTP message", "err", err)
	}
}
