package flash

import (
	"fmt"
	"io"
	"time"
)

// meter shows progress with the rate and the time that remains: on a terminal in one
// line, elsewhere in a line for every tenth.
type meter struct {
	out   io.Writer
	live  bool
	now   func() time.Time
	step  string
	began time.Time
	// shown is when, and tenth at how many tenths, the last line was written.
	shown time.Time
	tenth int64
}

func newMeter(out io.Writer, live bool, now func() time.Time) *meter {
	return &meter{out: out, live: live, now: now}
}

// show is a Progress.
func (m *meter) show(step string, done, total int64) {
	now := m.now()
	if step != m.step {
		m.step, m.began, m.shown, m.tenth = step, now, time.Time{}, 0
	}
	spent := now.Sub(m.began)
	line := fmt.Sprintf("%-8s %3d %% of %s", step, 100*done/total, sizeOf(total))
	if rate := float64(done) / spent.Seconds(); spent > 0 && done > 0 {
		left := time.Duration(float64(total-done) / rate * float64(time.Second))
		line += fmt.Sprintf(", %.1f MB/s, %s left", rate/1e6, left.Round(time.Second))
	}
	const often = 200 * time.Millisecond
	switch ended := done == total; {
	case m.live && (ended || now.Sub(m.shown) >= often):
		m.shown = now
		fmt.Fprint(m.out, "\r\033[K"+line)
		if ended {
			fmt.Fprintln(m.out)
		}
	case !m.live && 10*done/total > m.tenth:
		m.tenth = 10 * done / total
		fmt.Fprintln(m.out, line)
	}
}
