// Package led shows with one light how the appliance is, for a box without a screen:
// it blinks slowly while it starts, is steady when all is well, and blinks fast when
// somebody should look at the page.
//
// The kernel does the blinking (Documentation/leds/leds-class.rst, trigger "timer"), so
// that the light goes on blinking when init hangs.
package led

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// State is how the appliance is.
type State string

// The states.
const (
	Starting State = "starting"
	Ready    State = "ready"
	Fault    State = "fault"
)

// Options say which light, and what of.
type Options struct {
	// Dir is the light's directory below /sys/class/leds. It may come late.
	Dir string
	// State is asked for every second.
	State func() State
	// Log gets a line if the light cannot be used.
	Log *slog.Logger
}

const lookAgain = time.Second

// write is a file of the light and what goes into it.
type write struct{ file, value string }

// light is how each state looks, as what is written, in order. The timer's files are
// there only once it is the trigger.
func light(s State) []write {
	switch s {
	case Ready:
		return []write{{"trigger", "none"}, {"brightness", "1"}}
	case Fault:
		return blink("100")
	}
	return blink("500")
}

// blink is on and off for so many ms each.
func blink(ms string) []write {
	return []write{{"trigger", "timer"}, {"delay_on", ms}, {"delay_off", ms}}
}

// Run shows the state until ctx ends.
func Run(ctx context.Context, o Options) {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	var shown State
	var complaint string
	for {
		if s := o.State(); s != shown {
			if err := show(o.Dir, s); err == nil {
				shown = s
			} else if text := err.Error(); !os.IsNotExist(err) && text != complaint {
				complaint = text
				o.Log.Warn("the status light cannot be used: " + text)
			}
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

func show(dir string, s State) error {
	for _, w := range light(s) {
		f, err := os.OpenFile(filepath.Join(dir, w.file), os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(w.value)
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
	}
	return nil
}
