package appliance

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"aes67os/init/api"
	"aes67os/init/power"
	"aes67os/init/system"
)

// Status implements apiserver.Appliance, as do the methods below.
func (a *Appliance) Status() api.Status {
	s := api.Status{
		Version: a.release.Version, Board: a.board.Title, Kernel: system.Release(), Hostname: a.hostname,
		Uptime: system.Uptime().Seconds(), Ready: a.readyAt.Load().Seconds(),
		CPU: a.load.CPU(), Memory: system.Memory("/proc"), Driver: a.driver,
		Notes: a.notes.list(),
	}
	if a.data != nil {
		s.Data = a.data.Status()
	}
	switch s.Data.State {
	case api.DataMissing, api.DataDamaged:
		s.Notes = slices.Insert(s.Notes, 0, api.Note{Severity: api.Error, Text: "Settings are not kept: " + s.Data.Why + "."})
	case api.DataFailing:
		s.Notes = slices.Insert(s.Notes, 0, api.Note{Severity: api.Error, Text: "Settings may be lost: " + s.Data.Why + "."})
	}
	return s
}

// Services returns the services in the order of their start.
func (a *Appliance) Services() []api.Service { return a.services.Services() }

// Tuning returns the tuning table, read now.
func (a *Appliance) Tuning() []api.Setting { return a.tuner.Read() }

// Network returns the wired interfaces.
func (a *Appliance) Network() []api.Interface {
	if a.network == nil {
		return []api.Interface{}
	}
	return a.network.Interfaces()
}

// Logs reads or follows the log.
func (a *Appliance) Logs(ctx context.Context, q api.LogQuery, each func(api.LogEntry) error) error {
	return a.journal.Read(ctx, q, each)
}

// GoDown begins to go down. Who asks second is too late to change how.
func (a *Appliance) GoDown(action power.Action) {
	select {
	case a.down <- action:
	default:
	}
}

// notes are the conditions that came up while starting.
type notes struct {
	mu   sync.Mutex
	kept []api.Note
}

func (n *notes) add(severity api.Severity, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.kept = append(n.kept, api.Note{Severity: severity, Text: text})
}

func (n *notes) list() []api.Note {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]api.Note{}, n.kept...)
}

// atomicDuration is a time.Duration that one goroutine sets and others read.
type atomicDuration struct{ n atomic.Int64 }

func (d *atomicDuration) Store(t time.Duration) { d.n.Store(int64(t)) }
func (d *atomicDuration) Load() time.Duration   { return time.Duration(d.n.Load()) }
