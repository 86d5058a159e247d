package appliance

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"aes67os/board"
	"aes67os/init/modules"
	"aes67os/init/power"
	"aes67os/init/storage"
	"aes67os/init/uevent"
)

// devices loads the driver of every device, those that are there and those that
// come, and tells who waits for one.
type devices struct {
	loader *modules.Loader
	log    *slog.Logger
	button func()
	// dev is /dev but in tests.
	dev string
	// settled is called when the drivers of all devices there were are loaded.
	settled func()

	// proceed is closed when what is not urgent may be loaded.
	proceed     chan struct{}
	proceedOnce sync.Once

	// block and net have a value when a device of that kind has come since they were
	// last read.
	block, net chan struct{}
}

func newDevices(loader *modules.Loader, log *slog.Logger, button func()) *devices {
	return &devices{
		loader: loader, log: log, button: button, dev: "/dev", settled: func() {},
		proceed: make(chan struct{}),
		block:   make(chan struct{}, 1), net: make(chan struct{}, 1),
	}
}

// run works until ctx ends. The listener has to be there before devices are looked
// for, so that none comes unseen in between.
func (d *devices) run(ctx context.Context, listener *uevent.Listener, byName []string) {
	// Loading a module makes events, so events are not handled by who loads.
	load := make(chan string, 1024)
	go func() {
		for alias := range load {
			d.loader.LoadAlias(alias)
		}
	}()
	go func() {
		for _, name := range byName {
			if err := d.loader.Load(name); err != nil {
				d.log.Warn(err.Error())
			}
		}
		d.watchButtons(ctx)
		d.giveAllToAudio()
		d.lookAround()
		d.settled()
	}()
	lost := func() {
		d.giveAllToAudio()
		go d.lookAround()
	}
	err := listener.Run(ctx, func(e uevent.Event) { d.event(ctx, e, load) }, lost)
	close(load)
	if ctx.Err() == nil {
		d.log.Error("devices plugged in from now on are not seen: " + err.Error())
	}
}

// goOn lets what is not urgent be loaded. Only the first call matters.
func (d *devices) goOn() { d.proceedOnce.Do(func() { close(d.proceed) }) }

func (d *devices) lookAround() {
	if err := d.loader.ColdPlug("/sys", enoughForPage, d.proceed); err != nil {
		d.log.Warn("look for devices: " + err.Error())
	}
}

// enoughForPage tells whether there is a network card and the disk with the settings.
func enoughForPage() bool { return len(wiredCards()) > 0 && storage.Present("/sys") }

func (d *devices) event(ctx context.Context, e uevent.Event, load chan<- string) {
	if e.Action != "add" {
		return
	}
	if alias := e.Env["MODALIAS"]; alias != "" {
		select {
		case load <- alias:
		case <-ctx.Done():
		}
	}
	switch e.Env["SUBSYSTEM"] {
	case "block":
		tell(d.block)
	case "net":
		tell(d.net)
	case "input":
		d.watchButton(ctx, filepath.Base(e.Env["DEVNAME"]))
	case "sound", "ptp":
		if name := e.Env["DEVNAME"]; name != "" {
			d.giveToAudio(filepath.Join(d.dev, name))
		}
	}
}

// audioNodes are the devices that aes67d uses: sound cards, and the clocks of network cards.
var audioNodes = []string{"snd/*", "ptp*"}

// giveAllToAudio gives aes67d what devices there are.
func (d *devices) giveAllToAudio() {
	for _, pattern := range audioNodes {
		nodes, _ := filepath.Glob(filepath.Join(d.dev, pattern))
		for _, n := range nodes {
			d.giveToAudio(n)
		}
	}
}

// giveToAudio lets aes67d use a device, which the kernel gives to root alone.
func (d *devices) giveToAudio(node string) {
	err := errors.Join(os.Chown(node, 0, board.AudioUID), os.Chmod(node, 0o660))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may be gone already
		d.log.Warn("give a device to aes67d: " + err.Error())
	}
}

// watchButtons watches the power buttons that have come so far.
func (d *devices) watchButtons(ctx context.Context) {
	nodes, _ := filepath.Glob("/sys/class/input/event*")
	for _, n := range nodes {
		d.watchButton(ctx, filepath.Base(n))
	}
}

// watchButton may be called twice for a button: going down twice is going down.
func (d *devices) watchButton(ctx context.Context, event string) {
	if !power.IsButton("/sys", event) {
		return
	}
	go func() {
		if err := power.WatchButton(ctx, "/dev/input/"+event, d.button); ctx.Err() == nil {
			d.log.Info(err.Error())
		}
	}()
}

func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
