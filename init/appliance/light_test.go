package appliance

import (
	"testing"

	"aes67os/init/api"
	"aes67os/init/led"
)

func TestLightFor(t *testing.T) {
	up, away := api.Service{State: api.Running}, api.Service{State: api.Backoff}
	for _, test := range []struct {
		name     string
		services []api.Service
		notes    []api.Note
		want     led.State
	}{
		{"all well", []api.Service{up, up}, nil, led.Ready},
		{"warning", []api.Service{up}, []api.Note{{Severity: api.Warning}}, led.Ready},
		{"service away", []api.Service{up, away}, nil, led.Fault},
		{"settings lost", []api.Service{up}, []api.Note{{Severity: api.Warning}, {Severity: api.Error}}, led.Fault},
	} {
		if got := lightFor(test.services, test.notes); got != test.want {
			t.Errorf("%s: lightFor = %s; want %s", test.name, got, test.want)
		}
	}
}
