package appliance

import (
	"context"
	"path/filepath"
	"slices"

	"aes67os/init/api"
	"aes67os/init/led"
)

// showStatus has the board's light, if it has one, show how the appliance is.
func (a *Appliance) showStatus(ctx context.Context) {
	if a.board.StatusLED == "" {
		return
	}
	go led.Run(ctx, led.Options{
		Dir: filepath.Join("/sys/class/leds", a.board.StatusLED), State: a.light, Log: a.log,
	})
}

func (a *Appliance) light() led.State {
	if a.readyAt.Load() == 0 {
		return led.Starting
	}
	return lightFor(a.Services(), a.Status().Notes)
}

// lightFor is the light of an appliance that has started: a fault is what people should
// look at the page for.
func lightFor(services []api.Service, notes []api.Note) led.State {
	away := func(s api.Service) bool { return s.State != api.Running }
	bad := func(n api.Note) bool { return n.Severity == api.Error }
	if slices.ContainsFunc(services, away) || slices.ContainsFunc(notes, bad) {
		return led.Fault
	}
	return led.Ready
}
