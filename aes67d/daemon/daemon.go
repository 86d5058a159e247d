// Package daemon puts aes67d together: it makes the parts, tells each of them what it has
// to know, and keeps them running.
//
// The parts do not know each other. Two things change for all of them while the daemon
// runs, the configuration and the network interfaces; both come to apply, which tells
// every part what it means for it. What a part has to say to others goes through here,
// too:
//
//	sessions ── sources that are sent ──▶ SAP, mDNS, RTSP
//	SAP, mDNS ── what others send ──▶ remote ──▶ sessions (sinks follow their sources)
//	all ── what has changed ──▶ events ──▶ REST
//
// The daemon runs without a network, without a driver and without a configuration; it says
// what is missing, and goes on when it comes.
package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"aes67os/aes67d/config"
	"aes67os/aes67d/events"
	"aes67os/aes67d/logging"
	"aes67os/aes67d/multicast"
	"aes67os/aes67d/neighbor"
	"aes67os/aes67d/netif"
	"aes67os/aes67d/remote"
	"aes67os/aes67d/rest"
	"aes67os/aes67d/rtsp"
	"aes67os/aes67d/sap"
	"aes67os/aes67d/session"
	"aes67os/service"

	"golang.org/x/sync/errgroup"
)

// Options are what the command line says.
type Options struct {
	Version string
	// ConfigFile is the configuration; DefaultsFile is what it begins with as long as
	// it does not exist, empty for the built-in values.
	ConfigFile, DefaultsFile string
	// Address and Port are where the REST API is; Port 0 is that of the configuration.
	Address string
	Port    int
	// Page is the port of a web page to announce by the host's name, 0 for none.
	Page int
	// Driver is "auto", "ravenna", "userspace", or "fake".
	Driver string
}

// daemon is the parts.
type daemon struct {
	Options
	log      *slog.Logger
	logs     *logging.Handler
	config   *config.Store
	sessions *session.Manager
	groups   *multicast.Memberships
	sap      *sap.Directory
	names    *names
	rtsp     *rtsp.Server
	remote   *remote.Table
	events   *events.Bus
	http     []net.Listener
	rtspAt   *listener
	// offered is told that what others announce may matter to sinks.
	offered chan struct{}

	// applying is held while a configuration or interfaces are taken in.
	applying   sync.Mutex
	interfaces []netif.Interface
	// auto is the interface that interface_name "auto" has come to.
	auto string

	announcing sync.Mutex
	announced  []session.Announcement
}

// tune sets up Go's runtime so that answers come soon, unless the environment does. With
// what is usual, 8 clients at once wait a quarter longer (make bench).
func tune() {
	// 2 or 3 MB are in use. At the usual 100 % of that, lists of streams have their garbage
	// collected dozens of times a second. At 400 % the heap is 16 MB.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	// Who waits for the disk keeps others from running until the runtime notices.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0))
	}
}

// Run is the daemon's life, until ctx ends. It logs to standard error, unless the
// configuration says otherwise. It belongs to a process of its own.
func Run(ctx context.Context, o Options) error {
	tune()
	logs := logging.New(os.Stderr)
	defer logs.Close()
	log := slog.New(logs)
	d, err := assemble(ctx, o, log, logs)
	if err != nil {
		return err
	}
	return d.run(ctx)
}

func assemble(ctx context.Context, o Options, log *slog.Logger, logs *logging.Handler) (*daemon, error) {
	drv, err := chooseDriver(o.Driver, log)
	if err != nil {
		return nil, err
	}
	store, err := config.Open(o.ConfigFile, o.DefaultsFile, log)
	if err != nil {
		return nil, err
	}
	c := store.Get()
	interfaces, err := netif.List()
	if err != nil {
		return nil, err
	}
	d := &daemon{
		Options: o, log: log, logs: logs, config: store,
		groups:     multicast.New(log),
		rtsp:       rtsp.NewServer(log),
		rtspAt:     newListener(),
		events:     events.NewBus(),
		offered:    make(chan struct{}, 1),
		interfaces: interfaces,
	}
	d.remote = remote.New(log, func() {
		d.events.Publish(events.Event{Type: events.RemoteSources})
		poke(d.offered)
	})
	d.names = &names{log: log, wake: make(chan struct{}, 1), found: d.remote.Found, lost: d.remote.Lost, renamed: d.publish}
	wire, err := sap.Open(ctx)
	if err != nil {
		return nil, err
	}
	d.sap = sap.New(wire, d.heardSAP, log)
	if err := d.listenHTTP(c); err != nil {
		return nil, err
	}
	d.sessions = session.New(session.Options{
		Driver:     drv,
		StatusFile: c.StatusFile,
		Fetch:      session.Fetch,
		Resolve:    neighbor.Resolve,
		Announce:   d.announce,
		Join: func(want []multicast.Membership) {
			if err := d.groups.Set("streams", want); err != nil {
				log.Error("cannot receive some multicast groups", "error", err)
			}
		},
		Changed: func(c session.Change) {
			d.events.Publish(events.Event{Type: string(c)})
			poke(d.offered)
		},
		Log: log,
	})
	return d, nil
}

// listenHTTP opens the REST API's port, unless the supervisor passes it.
func (d *daemon) listenHTTP(c config.Config) (err error) {
	d.http, err = service.Passed()
	if err != nil || len(d.http) > 0 {
		return err
	}
	l := newListener()
	if err := l.listen(d.restAddress(c)); err != nil {
		return err
	}
	d.http = []net.Listener{l}
	return nil
}

// restAddress is where the REST API is.
func (d *daemon) restAddress(c config.Config) string {
	port := d.Port
	if port == 0 {
		port = int(c.HTTPPort)
	}
	return net.JoinHostPort(d.Address, strconv.Itoa(port))
}

func (d *daemon) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	defer d.groups.Close()
	changes, err := netif.Watch(ctx, d.log)
	if err != nil {
		return err
	}
	if err := d.apply(ctx); err != nil {
		d.log.Error("the configuration cannot be applied as a whole", "error", err)
	}
	api := &rest.API{
		Version: d.Version, Sessions: d.sessions, Remote: d.remote, Config: d.config,
		Interfaces: d.shown, Apply: d.apply, Events: d.events, Done: ctx.Done(), Log: d.log,
	}
	server := &service.Server{Listeners: d.http, Handler: api.Handler(), Health: rest.Health, Log: d.log}

	group.Go(func() error { return server.Run(ctx) })
	group.Go(func() error { return d.rtsp.Run(ctx, d.rtspAt) })
	group.Go(func() error { return d.sap.Run(ctx) })
	for _, run := range []func(context.Context){d.sessions.Run, d.remote.Run, d.names.run, d.followSources} {
		group.Go(func() error {
			run(ctx)
			return nil
		})
	}
	group.Go(func() error { return d.followInterfaces(ctx, changes) })
	return group.Wait()
}

// apply makes every part work with the configuration on the interfaces there are. What
// the driver refuses is an error, and then nothing has changed.
func (d *daemon) apply(ctx context.Context) error {
	d.applying.Lock()
	defer d.applying.Unlock()
	c := d.config.Get()
	s := settings(d.settle(c), d.interfaces)
	if err := d.sessions.Configure(ctx, s); err != nil {
		return err
	}
	// From here on all goes on with what works.
	warn := func(what string, err error) {
		if err != nil {
			d.log.Error(what, "error", err)
		}
	}
	warn("cannot log where the configuration says", d.logs.Configure(c.SyslogProto, c.SyslogServer, c.LogSeverity))
	if l, ok := d.http[0].(*listener); ok {
		warn("the REST API stays where it is", l.listen(d.restAddress(c)))
	}
	warn("the RTSP server stays where it is", d.rtspAt.listen(net.JoinHostPort("", strconv.Itoa(int(c.RTSPPort)))))
	group := address(c.SAPMulticastAddress)
	interval := time.Duration(c.SAPInterval) * time.Second
	warn("cannot announce by SAP as the configuration says", d.sap.Configure(group, interval))
	d.remote.SetInterval(interval)
	var on []netif.Interface
	for i, in := range s.Interfaces {
		if s.Addresses[i].IsValid() {
			on = append(on, in)
		}
	}
	d.sap.SetInterfaces(on)
	d.names.configure(c.MDNSEnabled, node{
		name: s.NodeID, http: d.page(c), rtsp: c.RTSPPort, page: uint16(d.Page), loopback: s.Interfaces[0].Loopback,
	})
	if c.StatusFile != d.sessions.StatusFile {
		d.log.Warn("status_file is used when the daemon starts again; until then streams are kept where they were", "file", d.sessions.StatusFile)
	}
	d.events.Publish(events.Event{Type: events.Config})
	return nil
}

// settle makes "auto" the interface it has been before, as long as that exists: audio
// does not move because an address is lost for a moment, or another cable is plugged in.
func (d *daemon) settle(c config.Config) config.Config {
	if c.InterfaceName != config.Auto {
		d.auto = ""
		return c
	}
	there := func(name string) bool {
		return slices.ContainsFunc(d.interfaces, func(i netif.Interface) bool { return i.Name == name })
	}
	if d.auto == "" || !there(d.auto) {
		in, _ := c.Select(d.interfaces)
		d.auto = in[0].Name
	}
	if d.auto != "" {
		c.InterfaceName = d.auto
	}
	return c
}

// shown lists the interfaces, the one that "auto" has come to first.
func (d *daemon) shown() ([]netif.Interface, error) {
	list, err := netif.List()
	d.applying.Lock()
	defer d.applying.Unlock()
	slices.SortStableFunc(list, func(a, b netif.Interface) int {
		switch d.auto {
		case a.Name:
			return -1
		case b.Name:
			return 1
		}
		return 0
	})
	return list, err
}

// page is the port of what people see when they open the node: the page if there is one.
func (d *daemon) page(c config.Config) uint16 {
	switch {
	case d.Page != 0:
		return uint16(d.Page)
	case d.Port != 0:
		return uint16(d.Port)
	}
	return c.HTTPPort
}

// followInterfaces takes in network interfaces as they come, go and change addresses.
func (d *daemon) followInterfaces(ctx context.Context, changes <-chan []netif.Interface) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case now, ok := <-changes:
			if !ok {
				if ctx.Err() != nil {
					return nil
				}
				return errors.New("the kernel's network interfaces cannot be followed any more")
			}
			if err := d.groups.Follow(now); err != nil {
				d.log.Error("cannot receive some multicast groups", "error", err)
			}
			d.applying.Lock()
			d.interfaces = now
			d.applying.Unlock()
			if err := d.apply(ctx); err != nil && ctx.Err() == nil {
				d.log.Error("cannot take in a change of the network interfaces", "error", err)
			}
		}
	}
}

// announce has the sources that are sent found by others.
func (d *daemon) announce(list []session.Announcement) {
	d.announcing.Lock()
	d.announced = list
	d.announcing.Unlock()
	entries := make([]sap.Entry, len(list))
	for i, a := range list {
		entries[i] = sap.Entry{Key: strconv.Itoa(a.ID), Origin: a.Origin, SDP: a.SDP}
	}
	if err := d.sap.Set(entries); err != nil {
		d.log.Error("cannot announce some sources by SAP", "error", err)
	}
	d.names.sessions(list)
	d.publish()
}

// publish has the RTSP server hand out what is announced, under the names it is found by.
func (d *daemon) publish() {
	d.announcing.Lock()
	defer d.announcing.Unlock()
	sources := make([]rtsp.Source, len(d.announced))
	for i, a := range d.announced {
		sources[i] = rtsp.Source{ID: a.ID, Name: d.names.nameOf(a), SDP: a.SDP}
	}
	d.rtsp.Set(sources)
}

// heardSAP takes in what others announce by SAP.
func (d *daemon) heardSAP(e sap.Event) {
	if e.Delete {
		d.remote.Deleted(e.Hash, e.Origin, string(e.Payload))
		return
	}
	d.remote.Announced(e.Hash, e.Origin, string(e.Payload), e.At)
}

// followSources has sinks follow their sources, whenever what others announce has
// changed, or the sinks, or the clock.
func (d *daemon) followSources(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.offered:
		}
		var offered []string
		for _, s := range d.remote.Sources("all") {
			offered = append(offered, s.SDP)
		}
		d.sessions.UpdateSinks(ctx, slices.DeleteFunc(offered, func(s string) bool { return strings.TrimSpace(s) == "" }))
	}
}

// poke wakes whoever waits for the channel, now or later.
func poke(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default: // it is about to look anyway
	}
}
