package ravenna

// defaultVolume is the volume in dB that the module is told until it has told us one.
const defaultVolume = -20

// mixer has the two controls of the sound card, which the module has us remember.
type mixer struct{ volume, mute int32 }

// event answers what the module tells or asks of its own accord. It waits for the
// answer, up to 1 s, with whatever program made the event waiting as well.
func (l *link) event(m *mixer, e message) {
	answer := message{id: e.id}
	switch e.id {
	case msgSetSampleRate:
		if hz, err := readU32(e.id, e.data); err == nil && hz > 0 {
			defer l.offer(hz)
		}
	case msgSetMasterOutputVolume:
		m.volume = control(e, m.volume)
	case msgSetMasterOutputSwitch:
		m.mute = control(e, m.mute)
	case msgGetMasterOutputVolume:
		answer.data = u32(uint32(m.volume))
	case msgGetMasterOutputSwitch:
		answer.data = u32(uint32(m.mute))
	}
	if err := l.events.Send(answer.encode(l.port)); err != nil {
		l.log.Warn("event of the kernel module not answered", "id", e.id, "err", err)
	}
}

// control is the new value of a control.
func control(e message, old int32) int32 {
	if v, err := readU32(e.id, e.data); err == nil {
		return int32(v)
	}
	return old
}

// offer puts a sample rate where rates has the latest.
func (l *link) offer(hz uint32) {
	select {
	case <-l.rates:
	default:
	}
	l.rates <- hz // there is room: nobody else puts anything there
}
