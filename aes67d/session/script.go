package session

import (
	"context"
	"os/exec"
	"time"

	"aes67os/driver"
)

// scriptTimeout is how long the user's script may run.
const scriptTimeout = 30 * time.Second

// script is a run of the user's script for changes of the clock.
type script struct {
	path string
	lock driver.Lock
}

// runScript has the user's script run with the state of the clock. If it is still at
// work for an earlier state, it is told the newest only.
func (m *Manager) runScript(st *state) {
	if st.settings.PTPStatusScript == "" {
		return
	}
	s := script{st.settings.PTPStatusScript, st.ptp.Lock}
	for {
		select {
		case m.scripts <- s:
			return
		default:
		}
		select {
		case <-m.scripts:
		default:
		}
	}
}

// runScripts runs the user's script until ctx ends, one at a time.
func (m *Manager) runScripts(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-m.scripts:
			running, cancel := context.WithTimeout(ctx, scriptTimeout)
			c := exec.CommandContext(running, s.path, s.lock.String())
			// What the script leaves running may hold its output open.
			c.WaitDelay = time.Second
			out, err := c.CombinedOutput()
			cancel()
			if err != nil {
				m.Log.Error("the script for the clock's state has failed", "script", s.path, "state", s.lock, "error", err, "output", string(out))
			}
		}
	}
}
