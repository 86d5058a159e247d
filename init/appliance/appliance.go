// Package appliance is process 1 of the appliance: it brings the machine up, keeps
// its services running, and takes it down in good order.
//
// The order of coming up is given by who needs what. Settings are on the data
// partition, which needs its disk's driver; the network needs settings; the host
// name needs a network card. Whatever fails is noted and left out: a machine that
// shows its page with a note is worth more than one that stopped half way.
package appliance

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"aes67os/board"
	"aes67os/init/api"
	"aes67os/init/apiserver"
	"aes67os/init/config"
	"aes67os/init/journal"
	"aes67os/init/modules"
	"aes67os/init/network"
	"aes67os/init/power"
	"aes67os/init/storage"
	"aes67os/init/supervisor"
	"aes67os/init/system"
	"aes67os/init/tuning"
	"aes67os/init/uevent"
	"aes67os/init/watchdog"
)

const (
	// Settings are read from here; where nobody has made any, from the preset that
	// people put on the card's boot partition.
	settings = board.DataDir + "/config/system.json"
	preset   = "aes67os.json"

	// How long to wait for what may be on USB, or not be there at all.
	waitForDisk = 10 * time.Second
	waitForCard = 5 * time.Second

	// The page is shown before the last modules are loaded, within this time.
	firstVisit = 2 * time.Second

	// Services have this long to end before they are killed.
	stopTimeout = 10 * time.Second
	// The hardware watchdog resets a machine that does not get through a reboot, or that
	// has no services after startTimeout.
	rebootTimeout = 60 * time.Second
	startTimeout  = 2 * time.Minute
)

// Appliance is the running system.
type Appliance struct {
	release  board.Release
	board    board.Board
	journal  *journal.Journal
	log      *slog.Logger
	notes    notes
	tuner    *tuning.Tuner
	load     *system.Load
	data     *storage.Data
	network  *network.Manager
	services *supervisor.Supervisor
	// started is closed when services is set.
	started chan struct{}
	// watchdog waits until nobody feeds it any more.
	watchdog func() *watchdog.Watchdog
	driver   api.Driver
	hostname string
	readyAt  atomicDuration
	down     chan power.Action
}

// Run is the life of process 1. It returns only if the machine could not be switched
// off.
func Run() error {
	a := &Appliance{
		journal: journal.New(journal.Options{}),
		started: make(chan struct{}),
		down:    make(chan power.Action, 1),
	}
	a.log = slog.New(a.journal.Handler("init", nil))
	// From here on a signal does not end process 1, which would be a kernel panic.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGUSR2)
	if err := mountSystem(); err != nil {
		a.notes.add(api.Error, err.Error())
	}
	consoleDone := a.copyToConsoles()

	ctx, cancel := context.WithCancel(context.Background())
	action := power.Reboot
	if err := a.up(ctx); err != nil {
		// Without services there is nothing to wait for. Another try may do better, or
		// the boot loader goes back to the system before.
		a.log.Error("start services: " + err.Error())
	} else {
		action = a.wait(signals)
	}
	a.log.Info(map[power.Action]string{power.Off: "going to switch off", power.Reboot: "going to reboot"}[action])
	a.stop(action, cancel)
	consoleDone()
	return power.Do(action)
}

// up brings everything up. Its error is that no service can be started.
func (a *Appliance) up(ctx context.Context) error {
	a.identify()
	a.log.Info(fmt.Sprintf("aes67os %s on %s, kernel %s", a.release.Version, a.board.Title, system.Release()))
	a.try("catch Ctrl-Alt-Del", power.CatchCtrlAltDel())
	go a.background(ctx, "wait for orphans", func() error { return supervisor.Reap(ctx, nil) })
	go a.followKernel(ctx)

	a.tuner = tuning.New("/", a.board.Tuning)
	a.tuner.Apply()
	devices, loader := a.startDevices(ctx)
	a.load = system.NewLoad("/proc")
	// The boot loader may have started the watchdog, so it is fed from now on.
	a.feedWatchdog(ctx)
	a.showStatus(ctx)

	// They may need a driver that looks like neither a disk's nor a network card's.
	odd := time.AfterFunc(waitForDisk/4, devices.goOn)
	a.mountData(ctx, devices.block)
	c := a.loadConfig()
	var err error
	a.hostname, err = nameHost(ctx, c.Hostname, waitForCard, devices.net)
	a.try("name the host", err)
	odd.Stop()
	a.network, err = network.New(network.Options{Config: c.Network, Hostname: a.hostname, ResolvConf: "/run/resolv.conf", Log: a.log})
	a.try("set up the network", err)
	if err == nil {
		go a.network.Run(ctx)
	}
	a.driver = loadDriver(a.release, loader)

	a.services, err = supervisor.Start(supervisor.Options{Journal: a.journal}, services()...)
	if err != nil {
		return err
	}
	close(a.started)
	a.serve(ctx)
	go a.announceReady(ctx, devices)
	if a.release.Debug {
		a.notes.add(api.Warning, "This is a debug image: whoever has the serial console has all rights. Never put it on air.")
		go a.background(ctx, "run the shell on the console", func() error { return a.runShell(ctx) })
	}
	return nil
}

// identify reads what the image says of itself.
func (a *Appliance) identify() {
	b, err := os.ReadFile(board.ReleasePath)
	if err == nil {
		err = json.Unmarshal(b, &a.release)
	}
	if err == nil {
		a.board, err = board.ByName(a.release.Board)
	}
	a.try("read "+board.ReleasePath, err)
}

func (a *Appliance) startDevices(ctx context.Context) (*devices, *modules.Loader) {
	a.try("be the kernel's modprobe", os.WriteFile("/proc/sys/kernel/modprobe", []byte(board.ModprobePath), 0))
	loader, err := modules.New("/lib/modules/"+system.Release(), a.log)
	a.try("load kernel modules", err)
	d := newDevices(loader, a.log, func() { a.GoDown(power.Off) })
	// Drivers bring what could not be tuned before, such as a CPU's clock.
	d.settled = a.tuner.Apply
	listener, err := uevent.Listen()
	a.try("hear of devices", err)
	if loader != nil && listener != nil {
		go d.run(ctx, listener, a.board.Load)
	}
	return d, loader
}

func (a *Appliance) mountData(ctx context.Context, appeared <-chan struct{}) {
	var err error
	a.data, err = storage.Mount(ctx, storage.Options{
		Sys: "/sys", Dev: "/dev", Target: board.DataDir, Wait: waitForDisk, Appeared: appeared, Log: a.log,
	})
	a.try("mount the data partition", err)
	if err == nil {
		a.try("make the services' directories", a.data.MakeDirs(serviceDirs()))
	}
}

func (a *Appliance) loadConfig() config.Config {
	c, from, err := config.Load(config.File(settings), config.Source{
		Name: preset + " on the card",
		Read: func() ([]byte, error) { return storage.ReadBootFile("/sys", "/dev", preset) },
	})
	if err != nil {
		a.notes.add(api.Error, fmt.Sprintf("The settings could not be used, defaults are in force: %v.", err))
		a.log.Error("settings: " + err.Error())
	} else if from != "" {
		a.log.Info("settings from " + from)
	}
	return c
}

func (a *Appliance) feedWatchdog(ctx context.Context) {
	w := watchdog.New(watchdog.Options{Healthy: a.healthy, Log: a.log})
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		w.Run(ctx)
	}()
	a.watchdog = func() *watchdog.Watchdog {
		<-fed
		return w
	}
}

// healthy tells whether the machine may go on.
func (a *Appliance) healthy() bool {
	select {
	case <-a.started:
		return a.services.Healthy()
	default:
		return system.Uptime() < startTimeout
	}
}

func (a *Appliance) serve(ctx context.Context) {
	l, err := apiserver.Listen(api.SocketPath, board.WebUID)
	a.try("open "+api.SocketPath, err)
	if err == nil {
		go a.background(ctx, "serve "+api.SocketPath, func() error { return apiserver.Serve(ctx, l, a, a.log) })
	}
}

// announceReady tells on the console, for who watches a boot, where the page is.
func (a *Appliance) announceReady(ctx context.Context, d *devices) {
	late := time.AfterFunc(waitForDisk, d.goOn)
	defer late.Stop()
	if a.services.WaitReady(ctx) != nil {
		return
	}
	at := system.Uptime()
	a.readyAt.Store(at)
	a.log.Info(fmt.Sprintf("all services are ready, %.1f s after the kernel started; the page is http://%s.local/", at.Seconds(), a.hostname))
	// Somebody may wait for the page, and nobody for what is still to be loaded.
	select {
	case <-time.After(firstVisit):
	case <-ctx.Done():
	}
	d.goOn()
}

// wait returns how to go down, once somebody asks for it. The kernel sends SIGINT at
// Ctrl-Alt-Del; the other signals are what process 1 of small systems listens to.
func (a *Appliance) wait(signals <-chan os.Signal) power.Action {
	select {
	case action := <-a.down:
		return action
	case s := <-signals:
		if s == unix.SIGUSR2 {
			return power.Off
		}
		return power.Reboot
	}
}

// stop takes everything down, in the opposite order.
func (a *Appliance) stop(action power.Action, cancel context.CancelFunc) {
	if a.services != nil {
		ctx, done := context.WithTimeout(context.Background(), stopTimeout)
		defer done()
		if err := a.services.Stop(ctx); err != nil {
			a.log.Error(err.Error())
		}
	}
	cancel()
	if a.watchdog != nil {
		if action == power.Off {
			a.try("stop the hardware watchdog", a.watchdog().Disarm())
		} else {
			a.try("set the hardware watchdog", a.watchdog().ArmForReboot(rebootTimeout))
		}
	}
	if a.data != nil {
		if err := a.data.Unmount(); err != nil {
			a.log.Error(err.Error())
		} else {
			a.log.Info("all is written to the card")
		}
	}
}

// try notes an error; the machine goes on without what failed.
func (a *Appliance) try(what string, err error) {
	if err != nil {
		a.log.Error(what + ": " + err.Error())
		a.notes.add(api.Error, fmt.Sprintf("Could not %s: %v.", what, err))
	}
}

func (a *Appliance) background(ctx context.Context, what string, run func() error) {
	if err := run(); err != nil && ctx.Err() == nil {
		a.try(what, err)
	}
}

func (a *Appliance) followKernel(ctx context.Context) {
	kmsg, err := os.Open(journal.KernelLog)
	if err == nil {
		err = a.journal.Kernel(ctx, kmsg)
	}
	if err != nil && ctx.Err() == nil {
		a.log.Warn("the kernel's messages are not in the log: " + err.Error())
	}
}
